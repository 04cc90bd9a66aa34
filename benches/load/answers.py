"""One answer of the simulator under way: at its pace, with its fault."""

from __future__ import annotations

import gzip
import time
from typing import TYPE_CHECKING

from benches.load.drafts import LAST_CHUNK, STREAM_HEAD, Draft, chunk, named
from benches.load.faults import MIDWAY, Fault
from benches.load.replies import error

if TYPE_CHECKING:
    from benches.load.connection import Connection

_JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n"
_BLOCK = b"x" * 65_536


class Answer:
    """An answer that takes time or goes wrong; the others are written in one piece where the request is read."""

    __slots__ = ("at", "connection", "draft", "fault", "number", "position", "sent", "simulator", "start_at")

    def __init__(self, connection: Connection, draft: Draft, fault: Fault | None) -> None:
        self.connection = connection
        self.simulator = connection.simulator
        self.draft = draft
        self.fault = fault
        self.number = self.simulator.served
        self.position = -1  # of the token at which the fault happens
        if fault is not None and fault.kind in MIDWAY:
            half = len(draft.pieces) // 2
            number = None if fault.kind == "endless" else fault.number
            self.position = half if number is None else min(int(number), len(draft.pieces))
        self.at = 0
        self.sent = 0

    def start(self) -> None:
        """Begin; the first token comes in its own time."""
        simulator = self.simulator
        wait = simulator.first_token
        fault = "" if self.fault is None else self.fault.kind
        if self.fault is not None and fault == "slow_first":
            wait = simulator.slow_first if self.fault.number is None else self.fault.number
        if not self.draft.stream and simulator.rate:
            wait += len(self.draft.pieces) / simulator.rate
        self.start_at = self.connection.loop.time() + wait
        if self.draft.stream and fault != "gzip":
            # A client that was not told would take the closed connection from its pool for the next request.
            end = b"Connection: close\r\n\r\n" if fault == "truncate" else b"\r\n"
            self.connection.transport.write(STREAM_HEAD + end)
        if wait > 0:
            self.connection.later(self.start_at, self._begin)
        else:
            self._begin()

    def _begin(self) -> None:
        if self.fault is not None and self.fault.kind == "gzip":
            self._send_compressed()
        elif not self.draft.stream:
            self._send_whole()
        else:
            self._write(self.draft.first)
            if self.simulator.rate:
                self._send_next()
            else:
                self._send_all()

    def _write(self, data: bytes) -> None:
        self.connection.transport.write(named(data, self.number))

    def _send_compressed(self) -> None:
        if self.draft.stream:
            events = named(self.draft.everything(self.number), self.number).partition(b"\r\n\r\n")[2]
            body = gzip.compress(b"".join(events.split(b"\r\n")[1::2]), 1)
            head = STREAM_HEAD + b"Content-Encoding: gzip\r\n\r\n"
            self.connection.transport.write(head + chunk(body) + LAST_CHUNK)
        else:
            body = gzip.compress(named(self.draft.body, self.number), 1)
            self.connection.transport.write(_JSON_HEAD % (len(body), b"Content-Encoding: gzip\r\n") + body)
        self.connection.next_request()

    def _send_whole(self) -> None:
        body = self.draft.body
        if self.position < 0:
            self._write(_JSON_HEAD % (len(body), b"") + body)
            self.connection.next_request()
            return
        assert self.fault is not None
        if self.fault.kind == "malformed":
            self.connection.respond(200, named(body, self.number)[: len(body) // 2])
        elif self.fault.kind == "error_event":
            self.connection.respond(500, error("simulated failure", "server_error"))
        else:
            size = len(body) if self.fault.kind != "endless" else 1 << 40
            self._write(_JSON_HEAD % (size, b"") + body[: len(body) // 2])
            self._break()

    def _send_next(self) -> None:
        """Send one token and see when the next is due. The times are kept from the start, so nothing drifts."""
        if self.connection.gone:
            return
        if self.at == self.position and not self._midway():
            return
        draft = self.draft
        if self.at == len(draft.pieces):
            self._end()
            return
        self._write(self._token())
        simulator = self.simulator
        due = self.at + simulator.jitter * (simulator.random.random() * 2 - 1)
        connection = self.connection
        simulator.wheel.add(connection.loop, self.start_at + due / simulator.rate, self._send_next)

    def _send_all(self) -> None:
        out: list[bytes] = []
        while True:
            if self.at == self.position:
                self._write(b"".join(out))
                out.clear()
                if not self._midway():
                    return
            if self.at == len(self.draft.pieces):
                break
            out.append(self._token())
        self._write(b"".join(out))
        self._end()

    def _token(self) -> bytes:
        at = self.at
        self.at += 1
        if self.simulator.stamp:
            return self.draft.token(f"{at}@{time.monotonic_ns()} ")
        return self.draft.pieces[at]

    def _end(self) -> None:
        undone = self.fault is not None and self.fault.kind == "no_done"
        self._write(self.draft.undone if undone else self.draft.last)
        self.connection.next_request()

    def _midway(self) -> bool:
        """Do the fault; says whether the stream goes on."""
        assert self.fault is not None
        kind = self.fault.kind
        if kind == "malformed":
            self._write(self.draft.malformed())
            self.position = -1
            return True
        if kind == "error_event":
            event = b"data: " + error("simulated failure", "server_error") + b"\n\n"
            self.connection.transport.write(chunk(event) + LAST_CHUNK)
            self.connection.next_request()
            return False
        if kind == "truncate":
            self.connection.transport.write(LAST_CHUNK)
        elif kind == "endless":
            self._write(self.draft.unfinished())
        self._break()
        return False

    def _break(self) -> None:
        assert self.fault is not None
        if self.fault.kind == "truncate":
            self.connection.transport.close()
        elif self.fault.kind == "reset":
            self.connection.reset()
        elif self.fault.kind == "endless":
            self._pour()
        # A stall is nothing: no timer, no end, and no request after this one.

    def _pour(self) -> None:
        """Send on and on, as fast as the other side reads, up to the limit."""
        assert self.fault is not None
        transport = self.connection.transport
        limit = (64 if self.fault.number is None else self.fault.number) * 2**20
        while self.sent < limit and transport.get_write_buffer_size() < 1 << 20:
            transport.write(chunk(_BLOCK) if self.draft.stream else _BLOCK)
            self.sent += len(_BLOCK)
        if self.sent < limit:
            self.connection.later(self.connection.loop.time() + 0.002, self._pour)
        else:
            transport.close()

"""Clients of a gateway, on raw protocols: each asks again as soon as the answer has come and was checked."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import time
from array import array
from typing import cast

import msgspec

from benches.load.checks import MODEL, Expected, WrongAnswer

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_END = b"0\r\n\r\n"
BATCH = 4096
"""Bytes that a paced caller lets come before it reads on, once it has the first event; about twenty tokens."""
DRAIN = 20.0
"""Seconds that answers under way have to end after a run."""
QUESTION = "我的订单什么时候发货？ When will my order be sent, and may I still change the address it goes to?"


class Endpoint:
    """Where to send, and with what headers."""

    def __init__(self, port: int, headers: dict[str, str] | None = None) -> None:
        self.port = port
        self.headers = headers or {}

    def request(self, *, stream: bool, tokens: int = 0) -> bytes:
        """The bytes of a request; `tokens` only makes requests for answers of other lengths differ."""
        fields: dict[str, object] = {"model": MODEL, "stream": True} if stream else {"model": MODEL}
        if tokens:
            fields["max_tokens"] = tokens
        system = "You answer the customers of a tea house, shortly and politely."
        fields["messages"] = [{"role": "system", "content": system}, {"role": "user", "content": QUESTION}]
        body = msgspec.json.encode(fields)
        lines = [f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{self.port}"]
        headers = {"Content-Type": "application/json", "Accept": "application/json", **self.headers}
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


class Load:
    """What the callers of one run have in common: what they send, what must come, and what was counted."""

    def __init__(self, endpoint: Endpoint, expected: Expected | None, *, stream: bool, tokens: int = 0) -> None:
        self.port = endpoint.port
        self.request = endpoint.request(stream=stream, tokens=tokens)
        self.expected = expected
        self.stream = stream
        self.answers = 0
        self.events = 0
        self.first = array("d")  # seconds from a request to its first event, of those begun while measuring
        self.measuring = False
        self.stopping = False
        self.under_way = 0
        self.problems: list[str] = []
        self.raw = b""
        self.lasts = 0.0  # seconds that a paced answer takes; 0 is no pace
        self.quiet = asyncio.Event()  # stopping, and nothing is under way

    def goes_on(self, caller: Caller) -> bool:
        """Whether a caller whose answer has come asks again."""
        return not self.stopping and len(self.problems) <= 100

    def over(self) -> None:
        """One answer has come, or never will."""
        self.under_way -= 1
        if self.stopping and not self.under_way:
            self.quiet.set()

    async def run(self, connections: int, *, warm: float, seconds: float, spread: float = 0.0) -> float:
        """Keep that many requests under way; returns the seconds that were measured.

        `spread` is over how many seconds the callers begin, `warm` how long they run before anything counts.
        `begin` and `end` are called around what is measured.
        """
        loop = asyncio.get_running_loop()
        callers: list[Caller] = []
        for start in range(0, connections, 50):
            many = range(start, min(start + 50, connections))
            made = [loop.create_connection(lambda: Caller(self), "127.0.0.1", self.port) for _ in many]
            callers += [caller for _, caller in await asyncio.gather(*made)]
        for number, caller in enumerate(callers):
            loop.call_later(spread * number / connections, caller.send)
        await asyncio.sleep(spread + warm)
        self.answers = self.events = 0
        self.measuring = True
        self.begin()
        began = time.perf_counter()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - began
        self.end()
        self.measured = (self.answers, self.events)
        self.stopping = True
        if self.under_way:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.quiet.wait(), DRAIN)
        if self.under_way:
            self.problems.append(f"{self.under_way} answers did not end within {DRAIN:.0f} s")
        for caller in callers:
            caller.close()
        return took

    def begin(self) -> None:
        """Measuring begins now."""

    def end(self) -> None:
        """Measuring ends now."""


class Caller(asyncio.Protocol):
    """One connection."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.transport: asyncio.Transport
        self._parts: list[bytes] = []
        self._size = 0
        self._whole = 0  # bytes of a response with Content-Length
        self._head = 0
        self._chunked = False
        self._status = 0
        self._sent = 0.0
        self._waiting_for_first = False
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._closing:
            self.load.problems.append(f"the connection was closed: {error}")
            self.load.over()

    def close(self) -> None:
        """No more requests."""
        self._closing = True
        self.transport.close()

    def send(self) -> None:
        """Send the request."""
        load = self.load
        load.under_way += 1
        self._waiting_for_first = load.stream
        self._sent = time.perf_counter() if load.stream and load.measuring else 0.0
        self.transport.write(load.request)

    def data_received(self, data: bytes) -> None:
        load = self.load
        self._parts.append(data)
        self._size += len(data)
        if not self._head and not self._read_head():
            return
        if load.stream:
            events = data.count(b"data: ")
            load.events += events
            if events and self._waiting_for_first:
                self._waiting_for_first = False
                if load.lasts:
                    self._rest(load.lasts)
                if self._sent:
                    load.first.append(time.perf_counter() - self._sent)
        if self._chunked:
            # The end may have come in two reads.
            if not data.endswith(_END) and (len(data) >= 5 or not b"".join(self._parts[-5:]).endswith(_END)):
                return
        elif self._size < self._whole:
            return
        self._answered()

    def _rest(self, seconds: float) -> None:
        """Be woken for many tokens at once, until shortly before the answer's end.

        What the other side sends, and how often, stays as it is; only the callers' core has less to do. Without this
        it would be full before the server's.
        """
        raw: socket.socket = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, BATCH)
        asyncio.get_running_loop().call_later(seconds, self._wake, raw)

    def _wake(self, raw: socket.socket) -> None:
        if not self.transport.is_closing():
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)

    def _read_head(self) -> bool:
        data = b"".join(self._parts)
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._parts = [data]
        self._head = end + 4
        self._status = int(data[9:12])
        length = _LENGTH.search(data, 0, end)
        self._chunked = length is None and _CHUNKED.search(data, 0, end) is not None
        self._whole = self._head + (int(length[1]) if length else 0)
        return True

    def _answered(self) -> None:
        load = self.load
        raw = b"".join(self._parts) if len(self._parts) > 1 else self._parts[0]
        load.answers += 1
        if load.expected is None:
            load.raw = raw
        else:
            try:
                load.expected.check(self._status, raw[self._head :], chunked=self._chunked)
            except WrongAnswer as problem:
                load.problems.append(str(problem))
        self._parts, self._size, self._head = [], 0, 0
        load.over()
        if load.goes_on(self):
            self.send()


async def ask_once(endpoint: Endpoint, *, stream: bool, tokens: int = 0) -> bytes:
    """One whole response, head and all."""
    load = Load(endpoint, None, stream=stream, tokens=tokens)
    load.stopping = True
    loop = asyncio.get_running_loop()
    _, caller = await loop.create_connection(lambda: Caller(load), "127.0.0.1", endpoint.port)
    caller.send()
    await asyncio.wait_for(load.quiet.wait(), 30)
    caller.close()
    if load.problems:
        raise WrongAnswer(load.problems[0])
    return load.raw

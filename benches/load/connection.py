"""One client of the simulator: HTTP in, and which answer goes out."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import httptools
import msgspec

from benches.load import vectors
from benches.load.answers import Answer
from benches.load.drafts import Draft
from benches.load.faults import INSTEAD, STATUSES, Fault, parse
from benches.load.replies import ChatRequest, error

if TYPE_CHECKING:
    from benches.load.simulator import Simulator

_REASONS = {
    200: b"OK",
    307: b"Temporary Redirect",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    408: b"Request Timeout",
    429: b"Too Many Requests",
    500: b"Internal Server Error",
    502: b"Bad Gateway",
    503: b"Service Unavailable",
    504: b"Gateway Timeout",
}
_TYPES = {"401": "authentication_error", "429": "rate_limit_error"}
_CODES = {"401": "invalid_api_key", "404": "model_not_found", "429": "rate_limit_exceeded"}
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 seconds: closing sends a RST
_CHAT = b"/v1/chat/completions"
_LARGEST_REMEMBERED = 16_384
_MOST_REMEMBERED = 512

_decode_chat = msgspec.json.Decoder(ChatRequest).decode


class Head(NamedTuple):
    """The head of a request."""

    method: bytes
    url: bytes
    fault: str | None
    keep_alive: bool
    length: int
    headers: list[tuple[bytes, bytes]]


class Connection(asyncio.Protocol):
    """One client. Requests that come while one is answered wait their turn.

    A head that came before, byte for byte, is not parsed again: clients under load send few different ones.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.transport: asyncio.Transport
        self.loop = asyncio.get_running_loop()
        self._parser: Any = None
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._head: bytes | None = None
        self._waiting: deque[tuple[Head, bytes]] = deque()
        self._begun = False
        self.gone = False
        self._busy = False
        self._keep_alive = True
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own class is no subclass of it
        self.simulator.connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self.gone = True
        self.simulator.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._busy = True  # nothing more is answered

    def abort(self) -> None:
        """Close without sending what is left."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            text, end, body = data.partition(b"\r\n\r\n")
            head = self.simulator.heads.get(text)
            if head is not None and head.length == len(body):
                self._take(head, body)
                return
            self._parser = httptools.HttpRequestParser(self)
            self._head = text if end else None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    # httptools calls these five.
    def on_message_begin(self) -> None:
        self._begun = True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self._body)
        given = {name.lower(): value for name, value in self._headers}
        fault = given.get(b"x-simulate")
        head = Head(
            self._parser.get_method(),
            self._url,
            None if fault is None else fault.decode("latin-1"),
            self._parser.should_keep_alive(),
            len(body),
            self._headers,
        )
        if self._head is not None and len(self._head) <= _LARGEST_REMEMBERED and b"transfer-encoding" not in given:
            if len(self.simulator.heads) >= _MOST_REMEMBERED:
                self.simulator.heads.clear()
            self.simulator.heads[self._head] = head
        self._url, self._headers, self._body, self._head = b"", [], [], None
        self._begun = False
        # What follows in the same read is this parser's too; the next read may be taken the short way again.
        self.loop.call_soon(self._forget_parser, self._parser)
        self._take(head, body)

    def _forget_parser(self, parser: Any) -> None:
        if parser is self._parser and not self._begun:
            self._parser = None

    def _take(self, head: Head, body: bytes) -> None:
        if self._busy:
            self._waiting.append((head, body))
        else:
            self._answer(head, body)

    def _answer(self, head: Head, body: bytes) -> None:
        self._busy = True
        self._keep_alive = head.keep_alive
        simulator = self.simulator
        url = head.url
        if url.startswith(b"/v1/"):
            simulator.seen.append(head)
        if head.method == b"POST":
            if url == _CHAT:
                self._chat(head, body)
                return
            if url == b"/v1/embeddings":
                self._embeddings(head, body)
                return
            if url == b"/_script":
                self._set_script(body)
                return
            if url == b"/v1/redirected":
                simulator.followed += 1
                self.respond(200, error("a redirect was followed", "simulator"))
                return
        elif head.method == b"GET" and self._get(url):
            return
        self.respond(404, error(f"no {head.method.decode()} {url.decode('latin-1')} here", "invalid_request_error"))

    def _get(self, url: bytes) -> bool:
        simulator = self.simulator
        if url == b"/v1/models":
            data = [_model(name) for name in simulator.models]
            self.respond(200, msgspec.json.encode({"object": "list", "data": data}))
        elif url.startswith(b"/v1/models/"):
            name = url.removeprefix(b"/v1/models/").decode("latin-1")
            if name in simulator.models:
                self.respond(200, msgspec.json.encode(_model(name)))
            else:
                self.respond(404, error(f"no model {name!r}", "invalid_request_error", "model_not_found"))
        elif url == b"/_requests":
            self.respond(200, b"[" + b",".join(simulator.bodies) + b"]")
        elif url == b"/_headers":
            self.respond(200, msgspec.json.encode(simulator.headers))
        else:
            return False
        return True

    def _set_script(self, body: bytes) -> None:
        try:
            script = msgspec.json.decode(body, type=list[str])
            for fault in script:
                parse(fault)
        except (msgspec.DecodeError, ValueError) as problem:
            self.respond(400, error(str(problem), "invalid_request_error"))
            return
        self.simulator.script.clear()
        self.simulator.script.extend(script)
        self.respond(200, msgspec.json.encode({"script": len(script)}))

    def _embeddings(self, head: Head, body: bytes) -> None:
        try:
            answer = vectors.answer(body)
            fault = self.simulator.choose(head.fault, None)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as problem:
            self.respond(400, error(str(problem), "invalid_request_error"))
            return
        self.simulator.bodies.append(body)
        self.simulator.served += 1
        if fault is None or not self._refuse(fault):
            self.respond(200, answer)

    def _chat(self, head: Head, body: bytes) -> None:
        simulator = self.simulator
        try:
            draft = simulator.drafts.get(body)
            if draft is None:
                draft = self._draft(body)
            fault = None
            if head.fault is not None or draft.fault is not None or simulator.script or simulator.faults:
                fault = simulator.choose(head.fault, draft.fault)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as problem:
            self.respond(400, error(str(problem), "invalid_request_error"))
            return
        simulator.bodies.append(body)
        simulator.served += 1
        if fault is None and not (simulator.rate or simulator.first_token or simulator.stamp):
            self.transport.write(draft.everything(simulator.served))
            self.next_request()
        elif fault is None or not self._refuse(fault):
            Answer(self, draft, fault).start()

    def _draft(self, body: bytes) -> Draft:
        simulator = self.simulator
        draft = Draft(
            _decode_chat(body), simulator.reply, simulator.random, prompt=len(body) // 4, created=simulator.created
        )
        if len(simulator.drafts) >= _MOST_REMEMBERED:
            simulator.drafts.clear()
        if len(body) <= _LARGEST_REMEMBERED:
            simulator.drafts[body] = draft
        return draft

    def _refuse(self, fault: Fault) -> bool:
        """Do what a fault does instead of an answer; says whether it was one of those."""
        kind = fault.kind
        if kind in STATUSES:
            wait = b""
            if kind in {"429", "503"}:
                wait = b"Retry-After: %d\r\n" % (1 if fault.number is None else fault.number)
            message = "too many requests" if kind == "429" else "simulated failure"
            self.respond(int(kind), error(message, _TYPES.get(kind, "server_error"), _CODES.get(kind)), wait)
        elif kind not in INSTEAD:
            return False
        elif kind == "close":
            self.transport.close()
        elif kind == "garbage":
            self.transport.write(b"\x16\x03\x01\x02\x00 no HTTP here\r\n\r\n")
            self.transport.close()
        elif kind == "html":
            self._send(200, b"text/html", b"", b"<!DOCTYPE html><title>Sign in</title><p>Please sign in.</p>")
        elif kind == "empty":
            self.respond(200, b"")
        elif kind == "redirect":
            location = f"Location: http://{self.simulator.host}:{self.simulator.port}/v1/redirected\r\n".encode()
            self._send(307 if fault.number is None else int(fault.number), b"text/plain", location, b"moved")
        # "hang" is nothing at all.
        return True

    def later(self, when: float, call: Any) -> None:
        """Call at a time of the loop, unless the client has gone by then."""
        self._timer = self.loop.call_at(when, call)

    def respond(self, status: int, body: bytes, headers: bytes = b"") -> None:
        """Send a whole response of JSON."""
        self._send(status, b"application/json", headers, body)

    def _send(self, status: int, kind: bytes, headers: bytes, body: bytes) -> None:
        self.transport.write(
            b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n%b"
            % (status, _REASONS.get(status, b"Simulated"), kind, len(body), headers, body)
        )
        self.next_request()

    def next_request(self) -> None:
        """The response is over."""
        self._busy = False
        if not self._keep_alive:
            self.transport.close()
        elif self._waiting:
            self._answer(*self._waiting.popleft())

    def reset(self) -> None:
        """Send a RST: what the client hasn't read may be lost to it."""
        raw: socket.socket = self.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "xiaoer"}

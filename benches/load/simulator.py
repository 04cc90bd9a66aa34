"""An OpenAI-compatible model server that says what it is told, at the pace and with the faults it is told.

    python -m benches.load.simulator --tokens 100 --rate 20 --first-token 0.05 --fault stall:0.01

serves `POST /v1/chat/completions` (also streamed) and `GET /v1/models`, and prints one line with its address when it
is ready. In a test: `async with Simulator(tokens=40, rate=200) as simulator: simulator.base_url`.

One request's reply and fault can be chosen, in this order, by the header `x-simulate: stall`, by markers in the
user's last messages (`[[fault:stall]]`, `[[reply:Exactly this.]]`), by a script (`POST /_script ["500", "ok", …]`,
one a request), or they come by rate. `faults.py` lists the kinds. `GET /_requests` gives the last 100 request bodies.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import struct
import time
from collections import deque
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any, cast

import httptools
import msgspec

from benches.load.faults import MIDWAY, Fault, draw, parse
from benches.load.replies import DONE, LAST_CHUNK, MODEL, ChatRequest, Wire, cut, error, sample, whole

_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nCache-Control: no-cache\r\n"
    b"Transfer-Encoding: chunked\r\n"
)
_REASONS = {200: b"OK", 400: b"Bad Request", 404: b"Not Found", 429: b"Too Many Requests", 500: b"Server Error"}
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 seconds: closing sends a RST

_decode_chat = msgspec.json.Decoder(ChatRequest).decode


class Simulator:
    """The server and what it was told.

    Args:
        tokens: Tokens of a reply that wasn't given.
        rate: Tokens a second in one stream; 0 is as fast as they can be written.
        jitter: How far a token may come from its time, as a share of the time between two.
        first_token: Seconds to the first token.
        slow_first: The same, for the fault of that name.
        faults: Probability of each fault.
        stamp: Every token says its number and when it was sent: "7@123456789 ", in `time.monotonic_ns()`.
        host, port: Where to listen; port 0 takes a free one.
        seed: Of everything random.

    `script` and `requests` are what `/_script` and `/_requests` show.
    """

    def __init__(
        self,
        *,
        tokens: int = 100,
        rate: float = 20.0,
        jitter: float = 0.1,
        first_token: float = 0.05,
        slow_first: float = 3.0,
        faults: Mapping[str, float] | None = None,
        stamp: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        seed: int = 1,
    ) -> None:
        self.rate = rate
        self.jitter = jitter
        self.first_token = first_token
        self.slow_first = slow_first
        self.faults = dict(faults or {})
        for fault in self.faults:
            parse(fault)
        self.stamp = stamp
        self.host = host
        self.port = port
        self.random = Random(seed)
        self.script: deque[str] = deque()
        self.served = 0
        self.reply = sample(tokens)
        self.whole_reply = "".join(self.reply)
        self.bodies: deque[bytes] = deque(maxlen=100)
        self.connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    @property
    def base_url(self) -> str:
        """The address to give to a client of the OpenAI API."""
        return f"http://{self.host}:{self.port}/v1"

    @property
    def requests(self) -> list[Any]:
        """The bodies of the last 100 chat requests, oldest first."""
        return [msgspec.json.decode(body) for body in self.bodies]

    async def __aenter__(self) -> Simulator:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), self.host, self.port, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for connection in list(self.connections):
            connection.abort()
        await self._server.wait_closed()
        await asyncio.sleep(0)  # lets the aborted transports go

    def choose(self, header: str | None, marker: str | None) -> Fault | None:
        """The fault of one chat request.

        Raises:
            ValueError: it is none.
        """
        if header is not None:
            return parse(header)
        if marker is not None:
            return parse(marker)
        if self.script:
            return parse(self.script.popleft())
        return draw(self.faults, self.random)


class Connection(asyncio.Protocol):
    """One client. Requests that come while one is answered wait their turn."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.transport: asyncio.Transport
        self.loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._fault: str | None = None
        self._body: list[bytes] = []
        self._waiting: deque[tuple[bytes, bytes, str | None, bytes, bool]] = deque()
        self._busy = False
        self._keep_alive = True
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own class is no subclass of it
        self.simulator.connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self.simulator.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._busy = True  # nothing more is answered

    def abort(self) -> None:
        """Close without sending what is left."""
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    # httptools calls these four.
    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(name) == 10 and name.lower() == b"x-simulate":
            self._fault = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        request = (
            self._parser.get_method(),
            self._url,
            self._fault,
            b"".join(self._body),
            self._parser.should_keep_alive(),
        )
        self._url, self._fault, self._body = b"", None, []
        if self._busy:
            self._waiting.append(request)
        else:
            self._answer(*request)

    def _answer(self, method: bytes, url: bytes, fault: str | None, body: bytes, keep_alive: bool) -> None:
        self._busy = True
        self._keep_alive = keep_alive
        if method == b"POST" and url == b"/v1/chat/completions":
            self._chat(body, fault)
        elif method == b"GET" and url == b"/v1/models":
            model = {"id": MODEL, "object": "model", "created": 0, "owned_by": "xiaoer"}
            self.respond(200, msgspec.json.encode({"object": "list", "data": [model]}))
        elif method == b"GET" and url == b"/_requests":
            self.respond(200, b"[" + b",".join(self.simulator.bodies) + b"]")
        elif method == b"POST" and url == b"/_script":
            self._set_script(body)
        else:
            self.respond(404, error(f"no {method.decode()} {url.decode('latin-1')} here", "invalid_request_error"))

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

    def _chat(self, body: bytes, header: str | None) -> None:
        simulator = self.simulator
        try:
            request = _decode_chat(body)
            reply, marker = request.markers()
            fault = simulator.choose(header, marker)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as problem:
            self.respond(400, error(str(problem), "invalid_request_error"))
            return
        simulator.bodies.append(body)
        simulator.served += 1
        if fault is not None and fault.kind == "429":
            wait = b"Retry-After: %d\r\n" % (1 if fault.number is None else fault.number)
            self.respond(429, error("too many requests", "rate_limit_error", "rate_limit_exceeded"), wait)
        elif fault is not None and fault.kind == "500":
            self.respond(500, error("simulated failure", "server_error"))
        else:
            answer = Answer(self, request, reply, fault, len(body) // 4)
            answer.start()

    def later(self, when: float, call: Any) -> None:
        """Call at a time of the loop, unless the client has gone by then."""
        self._timer = self.loop.call_at(when, call)

    def respond(self, status: int, body: bytes, headers: bytes = b"") -> None:
        """Send a whole response."""
        self.transport.write(
            b"HTTP/1.1 %d %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n%b"
            % (status, _REASONS[status], len(body), headers, body)
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


class Answer:
    """One answer under way."""

    __slots__ = (
        *("at", "connection", "created", "fault", "finish", "number", "position", "prompt", "request", "start_at"),
        *("tokens", "wire"),
    )

    def __init__(
        self, connection: Connection, request: ChatRequest, reply: str | None, fault: Fault | None, prompt: int
    ) -> None:
        simulator = connection.simulator
        self.connection = connection
        self.request = request
        self.fault = fault
        self.prompt = prompt
        self.tokens = simulator.reply if reply is None else list(cut(reply, simulator.random))
        self.finish = "stop"
        if request.limit is not None and request.limit < len(self.tokens):
            self.tokens = self.tokens[: request.limit]
            self.finish = "length"
        self.position = -1  # of the token at which the fault happens
        if fault is not None and fault.kind in MIDWAY:
            half = len(self.tokens) // 2
            self.position = half if fault.number is None else min(int(fault.number), len(self.tokens))
        self.at = 0
        self.number = simulator.served
        self.created = int(time.time())

    def start(self) -> None:
        """Begin; the first token comes in its own time."""
        simulator = self.connection.simulator
        wait = simulator.first_token
        if self.fault is not None and self.fault.kind == "slow_first":
            wait = simulator.slow_first if self.fault.number is None else self.fault.number
        if not self.request.stream and simulator.rate:
            wait += len(self.tokens) / simulator.rate
        self.start_at = self.connection.loop.time() + wait
        if self.request.stream:
            self.wire = Wire(self.number, self.created, self.request.model)
            # A client that was not told would take the closed connection from its pool for the next request.
            closes = self.fault is not None and self.fault.kind == "truncate"
            self.connection.transport.write(_STREAM_HEAD + (b"Connection: close\r\n\r\n" if closes else b"\r\n"))
        if wait > 0:
            self.connection.later(self.start_at, self._begin)
        else:
            self._begin()

    def _begin(self) -> None:
        if not self.request.stream:
            self._send_whole()
            return
        self.connection.transport.write(self.wire.first())
        if self.connection.simulator.rate:
            self._send_next()
        else:
            self._send_all()

    def _send_whole(self) -> None:
        text = self.connection.simulator.whole_reply if self.tokens is self.connection.simulator.reply else None
        text = "".join(self.tokens) if text is None else text
        body = whole(self.number, self.created, self.request.model, text, self.finish, self.prompt, len(self.tokens))
        if self.position < 0:
            self.connection.respond(200, body)
            return
        assert self.fault is not None
        if self.fault.kind == "malformed":
            self.connection.respond(200, body[: len(body) // 2])
            return
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        self.connection.transport.write(head + body[: len(body) // 2])
        self._break()

    def _send_next(self) -> None:
        """Send one token and see when the next is due. The times are kept from the start, so nothing drifts."""
        if self.at == self.position and not self._midway():
            return
        if self.at == len(self.tokens):
            self.connection.transport.write(self._end())
            self.connection.next_request()
            return
        self.connection.transport.write(self.wire.token(self._token()))
        simulator = self.connection.simulator
        due = self.at + simulator.jitter * (simulator.random.random() * 2 - 1)
        self.connection.later(self.start_at + due / simulator.rate, self._send_next)

    def _send_all(self) -> None:
        out: list[bytes] = []
        while True:
            if self.at == self.position:
                self.connection.transport.write(b"".join(out))
                out.clear()
                if not self._midway():
                    return
            if self.at == len(self.tokens):
                break
            out.append(self.wire.token(self._token()))
        out.append(self._end())
        self.connection.transport.write(b"".join(out))
        self.connection.next_request()

    def _token(self) -> str:
        text = f"{self.at}@{time.monotonic_ns()} " if self.connection.simulator.stamp else self.tokens[self.at]
        self.at += 1
        return text

    def _midway(self) -> bool:
        """Do the fault; says whether the stream goes on."""
        assert self.fault is not None
        if self.fault.kind == "malformed":
            self.connection.transport.write(self.wire.malformed())
            self.position = -1
            return True
        if self.fault.kind == "truncate":
            self.connection.transport.write(LAST_CHUNK)
        self._break()
        return False

    def _break(self) -> None:
        assert self.fault is not None
        if self.fault.kind == "truncate":
            self.connection.transport.close()
        elif self.fault.kind == "reset":
            self.connection.reset()
        # A stall is nothing: no timer, no end, and no request after this one.

    def _end(self) -> bytes:
        out = self.wire.finish(self.finish)
        if self.request.stream_options is not None and self.request.stream_options.include_usage:
            out += self.wire.usage(self.prompt, len(self.tokens))
        if self.fault is None or self.fault.kind != "no_done":
            out += DONE
        return out + LAST_CHUNK


async def serve(simulator: Simulator) -> None:
    """Run until cancelled."""
    async with simulator:
        print(f"simulator ready on {simulator.base_url}", flush=True)
        await asyncio.Event().wait()


def main(arguments: Iterable[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benches.load.simulator", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--rate", type=float, default=20.0, help="tokens a second in a stream; 0: no pause")
    parser.add_argument("--jitter", type=float, default=0.1, help="share of the time between two tokens")
    parser.add_argument("--first-token", type=float, default=0.05, help="seconds")
    parser.add_argument("--slow-first", type=float, default=3.0, help="seconds, for the fault slow_first")
    parser.add_argument("--fault", action="append", default=[], metavar="KIND:RATE", help="may be given often")
    parser.add_argument("--stamp", action="store_true", help="tokens say when they were sent")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(None if arguments is None else list(arguments))
    faults: dict[str, float] = {}
    for text in given.fault:
        kind, _, rate = text.rpartition(":")
        try:
            parse(kind)
            faults[kind] = float(rate)
        except ValueError as problem:
            parser.error(f"--fault {text}: {problem}")
    simulator = Simulator(
        tokens=given.tokens,
        rate=given.rate,
        jitter=given.jitter,
        first_token=given.first_token,
        slow_first=given.slow_first,
        faults=faults,
        stamp=given.stamp,
        host=given.host,
        port=given.port,
        seed=given.seed,
    )
    import uvloop  # the tests' loop is asyncio's own

    try:
        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(serve(simulator))
    except OSError as problem:
        parser.exit(1, f"simulator: {problem}\n")


if __name__ == "__main__":
    main()

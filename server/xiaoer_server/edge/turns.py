"""A request's turn on its connection: on the hot path, or over ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle
from uvicorn.protocols.utils import get_client_addr

from . import problem
from .exchange import JSON, Exchange, Headers, HotHandler, HotStream

if TYPE_CHECKING:
    from uvicorn._types import HTTPScope

    from .protocol import HttpProtocol


class Heads:
    """The first lines of answers, made once for each second's date."""

    def __init__(self) -> None:
        self._defaults: list[tuple[bytes, bytes]] | None = None
        self._made: dict[tuple[int, bytes], bytes] = {}

    def encode(self, defaults: list[tuple[bytes, bytes]], status: int, content_type: bytes) -> bytes:
        """Status line, the server's default headers, content type, and that nothing is to be cached."""
        if defaults is not self._defaults:
            self._defaults = defaults
            self._made.clear()
        head = self._made.get((status, content_type))
        if head is None:
            lines = [b"%b: %b\r\n" % header for header in defaults]
            lines.append(b"content-type: %b\r\ncache-control: no-store\r\n" % content_type)
            head = self._made[status, content_type] = STATUS_LINE[status] + b"".join(lines)
        return head


class HotTurn(Exchange):
    """A request that its handler answers inside the protocol.

    `output` is what is ready and waits for the answers of earlier requests. `refused` means that the request was
    not read to its end.
    """

    __slots__ = (
        "_address",
        "_gone",
        "_handler",
        "_protocol",
        "_stream",
        "_waiting",
        "keep_alive",
        "modern",
        "output",
        "refused",
        "response_complete",
        "route",
        "started",
        "status",
    )

    def __init__(
        self,
        protocol: HttpProtocol,
        method: bytes,
        path: bytes,
        query: bytes,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        handler: HotHandler | None,
    ) -> None:
        super().__init__(method, path, query, headers, body)
        self._protocol: HttpProtocol | None = protocol
        self._handler = handler
        self._address: str | None = None
        self._gone: Callable[[], None] | None = None
        self._stream: _Stream | None = None
        self._waiting = False
        self.keep_alive = protocol.may_stay_open
        self.modern = protocol.modern
        self.output = b""
        self.refused = handler is None
        self.response_complete = False
        self.started = handler is None
        self.status = 200
        self.route = path.decode("latin-1") if handler is not None else "refused"

    # -- to the handler -------------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        if self._address is None:
            protocol = self._protocol
            self._address = protocol.client_address(self.headers) if protocol is not None else ""
        return self._address

    def respond(self, status: int, body: bytes, content_type: bytes = JSON, headers: Headers = ()) -> None:
        protocol = self._protocol
        if protocol is None:
            return
        if self.response_complete or self._stream is not None:
            raise RuntimeError("this request is answered already")
        head = self._head(protocol, status, content_type, headers)
        self.output = b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), b"" if self.method == b"HEAD" else body)
        self._complete(protocol)

    def when_gone(self, call: Callable[[], None]) -> None:
        if self._protocol is None:
            asyncio.get_running_loop().call_soon(call)
        else:
            self._gone = call

    def stream(
        self,
        content_type: bytes,
        on_writable: Callable[[], None],
        on_disconnect: Callable[[], None],
        headers: Headers = (),
    ) -> HotStream:
        protocol = self._protocol
        if protocol is not None and (self.response_complete or self._stream is not None):
            raise RuntimeError("this request is answered already")
        stream = self._stream = _Stream(self, on_writable, on_disconnect)
        if protocol is None or self.method == b"HEAD":
            asyncio.get_running_loop().call_soon(stream.lose)
        if protocol is None:
            return stream
        stream.chunked = self.modern
        framing = b"transfer-encoding: chunked\r\n\r\n" if stream.chunked else b"\r\n"
        self._gone = None
        headers = ((b"x-accel-buffering", b"no"), *headers)
        self.output = self._head(protocol, 200, content_type, headers) + framing
        self._waiting = not protocol.is_at_head(self)
        if self.method == b"HEAD":
            self._complete(protocol)
        else:
            protocol.settle()
        return stream

    def _head(self, protocol: HttpProtocol, status: int, content_type: bytes, headers: Headers) -> bytes:
        self.status = status
        head = protocol.encode_head(status, content_type)
        cors = protocol.cors_headers(self)
        if headers or cors:
            head += b"".join([b"%b: %b\r\n" % header for header in (*headers, *cors)])
        return head if self.keep_alive else head + b"connection: close\r\n"

    def _complete(self, protocol: HttpProtocol) -> None:
        self.response_complete = True
        self._protocol = self._gone = None
        if protocol.access_log:
            protocol.log_access(self)
        protocol.settle()

    # -- to the stream --------------------------------------------------------------------------------------

    @property
    def writable(self) -> bool:
        """Whether the stream's bytes go out at once and the peer keeps up."""
        protocol = self._protocol
        return protocol is not None and not protocol.write_paused and protocol.is_at_head(self)

    def send(self, data: bytes) -> None:
        """Put bytes of the stream on the way."""
        protocol = self._protocol
        if protocol is None:
            return
        if protocol.is_at_head(self) and not self.output:
            protocol.transport.write(data)
        else:
            self.output += data

    def finish(self, tail: bytes) -> None:
        """Send the end of the stream."""
        protocol = self._protocol
        if protocol is not None:
            self.send(tail)
            self._complete(protocol)

    # -- to the protocol ------------------------------------------------------------------------------------

    @property
    def streaming(self) -> bool:
        """Whether the answer is a stream that has not ended."""
        return self._stream is not None and not self.response_complete

    @property
    def wants_peer(self) -> bool:
        """Whether a peer that has stopped sending counts as gone."""
        return self._gone is not None or self.streaming

    @property
    def lets_next_begin(self) -> bool:
        """Whether a hot request behind this one may start before this one is answered."""
        return self.started

    def begin(self) -> None:
        """Call the handler, the first time."""
        if not self.started:
            self.started = True
            handler = self._handler
            assert handler is not None
            self.run(handler)

    def at_head(self) -> None:
        """The answers before this one are out."""
        if self._waiting:
            self._waiting = False
            self.writable_again()

    def writable_again(self) -> None:
        """The peer has caught up, or the answers before this one are out."""
        if self.streaming and self._stream is not None:
            self._stream.wake()

    def end_stream(self) -> None:
        """End a stream that would not end by itself."""
        if self._stream is not None:
            self._stream.lose()
            self._stream.end()

    def lose(self) -> None:
        """The peer is gone."""
        self._protocol = None
        gone, self._gone = self._gone, None
        if gone is not None:
            gone()
        if self._stream is not None:
            self._stream.lose()


class _Stream:
    """The stream of a hot turn."""

    __slots__ = ("_on_disconnect", "_on_writable", "_turn", "chunked", "ended")

    def __init__(self, turn: HotTurn, on_writable: Callable[[], None], on_disconnect: Callable[[], None]) -> None:
        self._turn = turn
        self._on_writable = on_writable
        self._on_disconnect: Callable[[], None] | None = on_disconnect
        self.chunked = True
        self.ended = False

    @property
    def writable(self) -> bool:
        return not self.ended and self._turn.writable

    def write(self, data: bytes) -> None:
        if data and not self.ended:
            self._turn.send(b"%x\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    def end(self) -> None:
        self._on_disconnect = None
        if not self.ended:
            self.ended = True
            self._turn.finish(b"0\r\n\r\n" if self.chunked else b"")

    def cut(self) -> None:
        self._on_disconnect = None
        if not self.ended:
            self.ended = True
            self._turn.keep_alive = False
            self._turn.finish(b"")

    def wake(self) -> None:
        if self.writable:
            self._on_writable()

    def lose(self) -> None:
        on_disconnect, self._on_disconnect = self._on_disconnect, None
        if on_disconnect is not None:
            on_disconnect()


class AsgiTurn(RequestResponseCycle):
    """A request that goes to the ASGI application as soon as those before it are answered."""

    output = b""
    refused = False
    streaming = False
    wants_peer = False
    lets_next_begin = False

    def __init__(self, protocol: HttpProtocol, scope: HTTPScope, body: bytes) -> None:
        super().__init__(
            scope=scope,
            transport=protocol.transport,
            flow=protocol.flow,
            logger=protocol.logger,
            access_logger=protocol.access_logger,
            access_log=protocol.access_log,
            default_headers=protocol.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=protocol.may_stay_open,
            on_response=protocol.settle,
        )
        self.body = bytearray(body)
        self.more_body = False
        self.message_event.set()
        self.status = 500
        self.started = False
        self._protocol = protocol

    @property
    def route(self) -> str:
        """The path's template, so that a metric has as many labels as the application has routes."""
        template: Any = self.scope.get("path_template")
        return template if isinstance(template, str) and template else "unknown"

    def begin(self) -> None:
        """Start the application's task, the first time."""
        if not self.started:
            self.started = True
            self.default_headers = self._protocol.server_state.default_headers
            self._protocol._start_asgi_task(self, self._protocol.app)

    async def send(self, message: ASGISendEvent) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await super().send(message)

    async def send_500_response(self) -> None:
        error = problem.unexpected(RuntimeError(f"no answer to {get_client_addr(self.scope)} {self.scope['path']}"))
        status, body, content_type, _ = problem.answer(error, self.scope["path"].encode())
        headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    def at_head(self) -> None:
        """Nothing waits for it: the application is started only then."""

    def writable_again(self) -> None:
        """The application waits on the flow control itself."""

    def end_stream(self) -> None:
        """The application ends its answer itself; `keep_alive` is off by now."""

    def lose(self) -> None:
        """The peer is gone: `receive` tells the application."""
        self.disconnected = True
        self.message_event.set()

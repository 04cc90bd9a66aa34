"""The handlers of the hot routes over ASGI, so that the application is whole without our protocol."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import PayloadTooLarge
from .exchange import JSON, Exchange, Headers, HotHandler, HotStream

if TYPE_CHECKING:
    from litestar.types import Receive, Scope, Send

#: A stream is not writable while more than this waits, in bytes.
HIGH_WATER = 65_536


class AsgiExchange(Exchange):
    """An exchange whose answer is sent by a task."""

    __slots__ = ("_address", "_chunks", "_cut", "_ended", "_gone", "_lost", "_news", "_start", "_stream", "_waiting")

    def __init__(self, scope: Any, body: bytes) -> None:
        super().__init__(
            scope["method"].encode(), scope["path"].encode(), scope["query_string"], list(scope["headers"]), body
        )
        client = scope.get("client")
        self._address: str = client[0] if client else ""
        self._start: tuple[int, Headers] | None = None
        self._chunks: deque[bytes] = deque()
        self._waiting = 0
        self._ended = False
        self._cut = False
        self._gone = False
        self._lost: Callable[[], None] | None = None
        self._stream: _Stream | None = None
        self._news = asyncio.Event()

    @property
    def address(self) -> str:
        return self._address

    def respond(self, status: int, body: bytes, content_type: bytes = JSON, headers: Headers = ()) -> None:
        if self._start is not None:
            raise RuntimeError("this request is answered already")
        fixed = ((b"content-type", content_type), (b"cache-control", b"no-store"))
        self._start = status, (*fixed, (b"content-length", b"%d" % len(body)), *headers)
        self.put(body if self.method != b"HEAD" else b"")
        self.end()

    def when_gone(self, call: Callable[[], None]) -> None:
        self._lost = call

    def stream(
        self,
        content_type: bytes,
        on_writable: Callable[[], None],
        on_disconnect: Callable[[], None],
        headers: Headers = (),
    ) -> HotStream:
        if self._start is not None:
            raise RuntimeError("this request is answered already")
        self._start = 200, ((b"content-type", content_type), (b"cache-control", b"no-store"), *headers)
        self._stream = _Stream(self, on_writable, on_disconnect)
        self._news.set()
        return self._stream

    @property
    def writable(self) -> bool:
        """Whether little enough waits to be sent."""
        return self._waiting < HIGH_WATER and not self._ended and not self._gone

    def put(self, data: bytes) -> None:
        """Have bytes of the body sent."""
        if not self._ended and not self._gone:
            self._chunks.append(data)
            self._waiting += len(data)
            self._news.set()

    def cut(self) -> None:
        """Nothing follows, and the answer is not whole."""
        self._cut = True
        self.end()

    def end(self) -> None:
        """Nothing follows."""
        self._ended = True
        self._news.set()

    async def send_all(self, receive: Receive, send: Send) -> None:
        """Send the answer as it comes, until it has ended or the peer is gone."""
        watcher = asyncio.ensure_future(self._watch(receive))
        try:
            while self._start is None and not self._gone:
                await self._next()
            if self._start is not None:
                status, headers = self._start
                await send({"type": "http.response.start", "status": status, "headers": list(headers)})
                await self._send_body(send)
        finally:
            watcher.cancel()
            if self._stream is not None:
                self._stream.lose()
            elif self._gone and self._start is None and self._lost is not None:
                self._lost()

    async def _send_body(self, send: Send) -> None:
        while not self._gone:
            while self._chunks:
                chunk = self._chunks.popleft()
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                full, self._waiting = self._waiting >= HIGH_WATER, self._waiting - len(chunk)
                if full and self.writable and self._stream is not None:
                    self._stream.on_writable()
            if self._ended:
                if self._cut:
                    # The server that runs us closes the connection without the end of the body.
                    raise ConnectionAbortedError("the answer broke off")
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            await self._next()

    async def _next(self) -> None:
        await self._news.wait()
        self._news.clear()

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._gone = True
        self._news.set()


class _Stream:
    __slots__ = ("_exchange", "_on_disconnect", "on_writable")

    def __init__(
        self, exchange: AsgiExchange, on_writable: Callable[[], None], on_disconnect: Callable[[], None]
    ) -> None:
        self._exchange = exchange
        self.on_writable = on_writable
        self._on_disconnect: Callable[[], None] | None = on_disconnect

    @property
    def writable(self) -> bool:
        return self._exchange.writable

    def write(self, data: bytes) -> None:
        self._exchange.put(data)

    def end(self) -> None:
        self._on_disconnect = None
        self._exchange.end()

    def cut(self) -> None:
        self._on_disconnect = None
        self._exchange.cut()

    def lose(self) -> None:
        on_disconnect, self._on_disconnect = self._on_disconnect, None
        if on_disconnect is not None:
            on_disconnect()


class Bridge:
    """A hot handler as an ASGI application."""

    def __init__(self, handler: HotHandler, body_bytes: int) -> None:
        self._handler = handler
        self._body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        body = bytearray()
        more = True
        while more and len(body) <= self._body_bytes:
            message: Any = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        exchange = AsgiExchange(scope, bytes(body))
        if len(body) > self._body_bytes:
            exchange.fail(PayloadTooLarge(f"The body has more than {self._body_bytes} bytes."))
        else:
            exchange.run(self._handler)
        await exchange.send_all(receive, send)

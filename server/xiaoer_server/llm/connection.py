"""One HTTP/1.1 connection to an upstream, without a task, a queue or a future per block of bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import httptools
import httpx2

#: Bytes that wait for a reader before the upstream is paused.
HIGH_WATER = 65_536

#: Bytes and fields of a response's head; more is not a response that any model sends.
MOST_HEAD_BYTES, MOST_HEAD_FIELDS = 65_536, 200


class UpstreamConnection(asyncio.Protocol):
    """Sends one request at a time and hands the response's body to a callback, or keeps it for `read`.

    Errors are the HTTP client's own (`httpx2.TransportError`), so whoever knows those knows these.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._head: asyncio.Future[tuple[int, list[tuple[bytes, bytes]]]] | None = None
        self._change: asyncio.Future[None] | None = None
        self._sink: Callable[[bytes], None] | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._blocks: list[bytes] = []
        self._waiting = 0
        self._paused = False
        self._until_close = False
        self._error: Exception | None = None
        self.answered = False  # a byte of the present response came
        self.complete = True  # no response is under way
        self.reusable = True
        self.idle_since = 0.0

    # -- what the transport tells -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        if parser is None or self.complete:
            # Nothing was asked: whatever this is, the next response could not be told from it.
            self.abort()
            return
        self.answered = True
        try:
            parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(httpx2.RemoteProtocolError(f"not an HTTP response: {type(error).__name__}"))

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self.reusable = False
        if self.complete:
            return
        if self._until_close and error is None:
            self._finish()
        elif self.answered:
            self._fail(httpx2.RemoteProtocolError("the upstream closed the connection inside its response"))
        else:
            self._fail(httpx2.ReadError("the upstream closed the connection before it answered"))

    # -- what the parser tells --------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.complete:
            # A second response that nobody asked for; see `data_received`.
            self.abort()
        self._headers = []
        self._head_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MOST_HEAD_BYTES or len(self._headers) >= MOST_HEAD_FIELDS:
            self._fail(httpx2.RemoteProtocolError("the head of the upstream's response is too large"))
            return
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self.complete or self._parser is None:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            return
        names = {name for name, _ in self._headers}
        self._until_close = not names & {b"content-length", b"transfer-encoding"} and status not in (204, 304)
        self.reusable = self.reusable and self._parser.should_keep_alive()
        if self._head is not None and not self._head.done():
            self._head.set_result((status, self._headers))

    def on_body(self, data: bytes) -> None:
        if self.complete:
            return
        sink = self._sink
        if sink is None:
            self._blocks.append(data)
            self._waiting += len(data)
            if self._waiting > HIGH_WATER and self._transport is not None:
                self._paused = True
                self._transport.pause_reading()
            self._wake()
            return
        try:
            sink(data)
        except Exception as error:
            self._fail(error)

    def on_message_complete(self) -> None:
        if not self.complete and self._parser is not None and self._parser.get_status_code() >= 200:
            self._finish()

    # -- what the client asks ---------------------------------------------------------------------------------

    async def send(self, request: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Send a request; returns the response's status and headers.

        Raises:
            httpx2.TransportError: no response came.
        """
        if self._transport is None or self._transport.is_closing() or not self.complete:
            raise httpx2.ReadError("the connection is closed")
        self._parser = httptools.HttpResponseParser(self)
        self._blocks = []
        self._waiting = 0
        self._sink = self._error = None
        self._until_close = self.answered = self.complete = False
        self._head = self._loop.create_future()
        self._transport.write(request)
        return await self._head

    async def deliver(self, sink: Callable[[bytes], None]) -> None:
        """Hand each block of the body to `sink` as it comes; returns at the body's end.

        Raises:
            httpx2.TransportError: the body broke off.
            Exception: whatever `sink` raised; the rest of the body is not read.
        """
        for block in self._blocks:
            sink(block)
        self._blocks = []
        self._sink = sink
        self._resume()
        while not self.complete:
            self._change = self._loop.create_future()
            await self._change
        if self._error is not None:
            raise self._error

    async def read(self) -> bytes:
        """The next of the body, empty at its end; raises as `deliver` does."""
        while not self._blocks and not self.complete:
            self._change = self._loop.create_future()
            await self._change
        if self._blocks:
            body = b"".join(self._blocks)
            self._blocks = []
            self._resume()
            return body
        if self._error is not None:
            raise self._error
        return b""

    def abort(self) -> None:
        """Close at once; what is under way is lost."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    @property
    def closed(self) -> bool:
        """Whether the connection cannot be used any more."""
        return not self.reusable or self._transport is None or self._transport.is_closing()

    def _resume(self) -> None:
        self._waiting = 0
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _finish(self) -> None:
        self.complete = True
        self._wake()

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
        self.complete = True
        self.abort()
        if self._head is not None and not self._head.done():
            self._head.set_exception(self._error)
        self._wake()

    def _wake(self) -> None:
        if self._change is not None and not self._change.done():
            self._change.set_result(None)

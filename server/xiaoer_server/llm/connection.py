"""One HTTP/1.1 connection to an upstream: no task, no queue and no future a response."""

from __future__ import annotations

import asyncio
from typing import cast

import httptools

from .receiver import Receiver, UpstreamError

#: Bytes and fields of a response's head; more is not a response that any model sends.
MOST_HEAD_BYTES, MOST_HEAD_FIELDS = 65_536, 200

#: Above this many bytes a request's body is handed to the transport beside its head instead of being copied to it.
WORTH_TWO_BUFFERS = 65_536


class UpstreamConnection(asyncio.Protocol):
    """Sends one request at a time and tells a `Receiver` of the response.

    What one read brings is handed over as one block, however many chunks it was sent in. Afterwards the receiver
    hears `on_end` or `on_error`, exactly one of them, and nothing more.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._receiver: Receiver | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._pieces: list[bytes] = []
        self._framed = True  # the response says how long it is
        self._over = False  # the parser has seen the response's end
        self._keep = True
        self.answered = False  # a byte of the present answer came
        self.used = False  # has carried a request

    # -- what the pool asks -----------------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """Whether another request can be sent: open, and nothing is under way."""
        transport = self._transport
        return self._keep and self._receiver is None and transport is not None and not transport.is_closing()

    def close(self) -> None:
        """Close at once. A receiver that waits hears nothing more."""
        self._receiver = None
        self._keep = False
        if self._transport is not None:
            self._transport.abort()

    # -- what the relay asks ----------------------------------------------------------------------------------

    def send(self, head: bytes, body: bytes, receiver: Receiver) -> None:
        """Send a request, given as its head up to the empty line and its body."""
        transport = self._transport
        assert transport is not None
        assert self._receiver is None
        self._receiver = receiver
        self.answered = self._over = False
        self.used = True
        if len(body) > WORTH_TWO_BUFFERS:
            transport.writelines((head, body))
        else:
            transport.write(head + body)

    def pause(self) -> None:
        """Read no more for now; the upstream will feel it."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # -- what the transport tells -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        if self._receiver is None or parser is None:
            # Nothing was asked: whatever this is, the next response could not be told from it.
            self.close()
            return
        self.answered = True
        try:
            parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self._over:
                cause = error.__context__
                if not isinstance(cause, UpstreamError):
                    cause = UpstreamError("malformed", "the upstream sent no HTTP", answered=True)
                self._fail(cause)
                return
            self._keep = False  # the answer is whole; what came behind it is not ours
        self._hand_over()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._keep = False
        if self._receiver is None:
            self._parser = None
            return
        if not self._framed and error is None:
            self._over = True
            self._hand_over()
        elif self.answered:
            self._fail(
                UpstreamError("truncated", "the upstream closed the connection inside its answer", answered=True)
            )
        else:
            self._fail(
                UpstreamError("connect", "the upstream closed the connection before it answered", answered=False)
            )
        # The parser holds bound methods of ours: without this the cycle would live until the collector comes.
        self._parser = None

    # -- what the parser tells --------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._over:
            raise UpstreamError("malformed", "the upstream sent a second answer", answered=True)
        self._headers = []
        self._head_bytes = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MOST_HEAD_BYTES or len(self._headers) >= MOST_HEAD_FIELDS:
            raise UpstreamError("malformed", "the head of the upstream's answer is too large", answered=True)
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None
        status = parser.get_status_code()
        if status < 200:
            if status == 101:
                raise UpstreamError("malformed", "the upstream switched protocols unasked", answered=True)
            return
        headers = self._headers
        self._framed = status in (204, 304)
        for name, _ in headers:
            if name in (b"content-length", b"transfer-encoding"):
                self._framed = True
        if not parser.should_keep_alive():
            self._keep = False
        receiver = self._receiver
        if receiver is not None:
            receiver.on_head(status, headers)

    def on_body(self, data: bytes) -> None:
        self._pieces.append(data)

    def on_message_complete(self) -> None:
        if self._parser is not None and self._parser.get_status_code() >= 200:
            self._over = True

    # -- to the receiver --------------------------------------------------------------------------------------

    def _hand_over(self) -> None:
        pieces = self._pieces
        if pieces:
            self._pieces = []
            receiver = self._receiver
            if receiver is not None:
                receiver.on_body(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if self._over:
            receiver, self._receiver = self._receiver, None
            if receiver is not None:
                receiver.on_end()

    def _fail(self, error: UpstreamError) -> None:
        receiver = self._receiver
        pieces, self._pieces = self._pieces, []
        if receiver is not None and pieces:
            receiver.on_body(b"".join(pieces))
            receiver = self._receiver  # it may have had enough
        self.close()
        if receiver is not None:
            receiver.on_error(error)

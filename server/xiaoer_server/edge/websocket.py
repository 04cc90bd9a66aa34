"""The WebSocket route of the chat, answered inside uvicorn's protocol.

uvicorn keeps the handshake's parsing, keep-alive pings, close handshake and shutdown. What goes to the chat takes no
ASGI: no task, no queue, no pause of reading for each message. Other paths fall through to the application.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any, ClassVar, Protocol
from urllib.parse import parse_qs

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.datastructures import Headers
from websockets.frames import CLOSE, Frame
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol

from ..chat.entries import Identity
from ..chat.session import Delivery
from ..errors import BadRequest, ServerError
from . import problem
from .address import Proxies
from .admission import admit, check_owner, delivery_of, open_conversation
from .chat_socket import ChatSocket
from .context import EdgeContext
from .echo import Echo

CHAT_PATH = "/api/chat/ws"
ECHO_PATH = "/echo"
SUBPROTOCOL = "xiaoer.v1"

#: How long a peer that broke the protocol may go on sending before it is cut off.
LINGER_SECONDS = 2.0

#: Bytes that are worked off at once. A read may bring 256 KiB, forty thousand frames, and the loop's others wait.
PORTION = 8_192

#: Pieces of a fragmented message that are kept apart; then they are joined, or empty ones would be kept for ever.
MOST_PIECES = 64

OPEN = State.OPEN


class Receiver(Protocol):
    """Takes what arrives on an open socket. Everything is called on the loop and returns at once."""

    def text(self, payload: bytes) -> None:
        """A whole text message, valid UTF-8."""

    def binary(self, payload: bytes) -> None:
        """A whole binary message."""

    def stalled(self) -> None:
        """The write buffer is full."""

    def flowing(self) -> None:
        """The write buffer has room again."""

    def restart(self) -> None:
        """The server goes down: close."""

    def lost(self) -> None:
        """The connection is gone. Called once, and nothing after it."""


class _NoApplication:
    """Stands in for the queue and the event by which uvicorn talks to an application, where there is none."""

    def put_nowait(self, _event: object) -> None:
        pass

    def set(self) -> None:
        pass

    def clear(self) -> None:
        pass


_NO_APPLICATION: Any = _NoApplication()

_log = logging.getLogger("uvicorn.error")


class _Framing(ServerProtocol):
    """websockets' protocol, but a peer may close in the middle of a fragmented message (RFC 6455, 5.4 and 7.1.5)."""

    def recv_frame(self, frame: Frame) -> None:
        if frame.opcode is CLOSE:
            self.current_size = None
        super().recv_frame(frame)


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """One connection. `websocket_protocol` binds it to a context; uvicorn makes the instances."""

    context: ClassVar[EdgeContext]
    delivery: ClassVar[Delivery]
    proxies: ClassVar[Proxies]

    # What was read and waits for its turn on the loop, and whether reading is wanted behind it. Mostly never set.
    _rest: bytes = b""
    _reads: bool = True

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        # No permessage-deflate: its contexts would cost a socket more memory than all the rest.
        self.conn = _Framing(max_size=config.ws_max_size, logger=_log)
        self.receiver: Receiver | None = None
        self.can_write = True

    # -- handshake --------------------------------------------------------------------------------------------

    def handle_connect(self, event: Request) -> None:
        """Answer our own paths here, and hand the others to the application."""
        path, _, query = event.path.partition("?")
        if path == CHAT_PATH:
            self._connect(event, query)
        elif path == ECHO_PATH and self.context.echo_route:
            response = self._negotiate(event)
            if response is not None:
                self._accept(event, response, Echo(self))
        else:
            super().handle_connect(event)

    def _connect(self, request: Request, query: str) -> None:
        response = self._negotiate(request)
        if response is None:
            return
        self.conn.max_message_size = self.context.settings.limits.body_bytes
        parameters = parse_qs(query)
        offers = [
            offer.strip() for header in request.headers.get_all("Sec-WebSocket-Protocol") for offer in header.split(",")
        ]
        if SUBPROTOCOL in offers:
            response.headers["Sec-WebSocket-Protocol"] = SUBPROTOCOL
        render = parameters.get("html") == ["1"]
        headers = request.headers
        try:
            identity = admit(
                self.context,
                parameters["token"][0] if "token" in parameters else _token_in(headers, offers),
                ", ".join(headers.get_all("Origin")) or None,
                ", ".join(headers.get_all("Host")),
            )
            address = self._address(request)
            self.context.limits.open_socket(address)
        except ServerError as error:
            self._refuse(error)
            return
        conversation = self.context.log.cached(identity.tenant, identity.conversation)
        if conversation is None:
            self.read_on(False)
            task = self.loop.create_task(self._connect_later(request, response, identity, address, render))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
            return
        try:
            check_owner(conversation, identity)
        except ServerError as error:
            self.context.limits.close_socket(address)
            self._refuse(error)
            return
        self._accept(request, response, ChatSocket(self, conversation, identity, address, render=render))

    async def _connect_later(
        self, request: Request, response: Response, identity: Identity, address: str, render: bool
    ) -> None:
        """As the end of `_connect`, where the conversation has to be loaded first."""
        try:
            conversation = await open_conversation(self.context, identity)
        except BaseException as error:
            self.context.limits.close_socket(address)
            if not self.transport.is_closing():
                refusal = error if isinstance(error, ServerError) else problem.unexpected(error)
                self._refuse(refusal)
            if not isinstance(error, Exception):
                raise
            return
        if self.transport.is_closing():
            # The peer is gone, or we are going down.
            self.context.limits.close_socket(address)
            return
        self._accept(request, response, ChatSocket(self, conversation, identity, address, render=render))
        self.read_on(True)

    def _negotiate(self, request: Request) -> Response | None:
        """The 101 to send, or None where the handshake is broken and was answered so."""
        self.queue = self.writable = _NO_APPLICATION
        self.handshake_initiated = True
        response = self.conn.accept(request)
        if response.status_code == 101:
            return response
        self._reject(response)
        return None

    def _accept(self, request: Request, response: Response, receiver: Receiver) -> None:
        self.conn.send_response(response)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.handshake_complete = True
        self.receiver = receiver
        request.headers.clear()  # websockets' parser holds the request as long as the connection lives
        self.start_keepalive()

    def _refuse(self, error: ServerError) -> None:
        status, body, content_type, headers = problem.answer(error, CHAT_PATH.encode())
        response = self.conn.reject(status, body.decode())
        del response.headers["Content-Type"]
        response.headers["Content-Type"] = content_type.decode()
        for name, value in headers:
            response.headers[name.decode()] = value.decode()
        self._reject(response)

    def _reject(self, response: Response) -> None:
        self.handshake_complete = True
        self.close_sent = True
        self.conn.send_response(response)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()

    def _address(self, request: Request) -> str:
        headers = [
            (b"x-forwarded-for", value.encode("latin-1")) for value in request.headers.get_all("X-Forwarded-For")
        ]
        return self.proxies.client(self.client[0] if self.client else "", headers)

    def _refuse_unread(self) -> None:
        """Answer a request that websockets' parser does not take: with a body, or with a line over 8 KiB."""
        error = BadRequest("A WebSocket cannot be opened with this request.")
        status, body, content_type, _ = problem.answer(error, b"")
        self.handshake_complete = True
        self.close_sent = True
        head = b"HTTP/1.1 %d Bad Request\r\ncontent-type: %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (status, content_type, len(body)) + body)
        self.transport.close()

    # -- in ---------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes came: the handshake, whole, at first; then frames, a portion each time the loop comes round."""
        if len(data) > PORTION and self.receiver is not None:
            data, self._rest = data[:PORTION], data[PORTION:]
            self.transport.pause_reading()
            self.loop.call_soon(self._go_on)
        super().data_received(data)
        if not self.handshake_initiated and not self.close_sent:
            self._refuse_unread()

    def _go_on(self) -> None:
        rest, self._rest = self._rest, b""
        if self.disconnected:
            return
        self.data_received(rest)
        if not self._rest and self._reads:
            self.read_on(True)

    def handle_cont(self, event: Frame) -> None:
        """A further piece of a message; the parser watches over its size."""
        super().handle_cont(event)
        if len(self.frames) > MOST_PIECES:
            self.frames = [b"".join(self.frames)]

    def send_receive_event_to_app(self) -> None:
        """A message is whole."""
        if self.receiver is None:
            if self.queue is not _NO_APPLICATION:
                super().send_receive_event_to_app()
            elif not self.close_sent:
                self.transport.abort()  # it speaks before its handshake was answered, which RFC 6455 forbids
            return
        payload = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        self.frames = []
        if self.close_sent:
            return
        if self.curr_msg_data_type == "bytes":
            self.receiver.binary(payload)
            return
        if not payload.isascii():
            try:
                payload.decode()
            except UnicodeDecodeError:
                self.conn.fail(1007, "invalid UTF-8")
                self.handle_parser_exception()
                return
        self.receiver.text(payload)

    def read_on(self, allowed: bool) -> None:
        """Stop or go on reading from the peer; a connection that closes is left alone."""
        self._reads = allowed or self.close_sent
        if self.disconnected or self.transport.is_closing():
            return
        if allowed:
            if not self._rest:
                self.transport.resume_reading()
        elif not self.close_sent:
            self.transport.pause_reading()

    # -- out --------------------------------------------------------------------------------------------------

    def send_frame(self, frame: bytes) -> None:
        """Send one frame, header and all. Nothing happens once closing has begun."""
        if self.conn.state is OPEN and not self.disconnected:
            self.transport.write(frame)

    def start_close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; a peer that does not answer is cut off after `close_timeout` seconds."""
        if self.conn.state is not OPEN or self.disconnected or self.transport.is_closing():
            return
        self.can_write = False
        self.close_sent = True
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.read_on(True)
        self._abort_later()

    def _abort_later(self) -> None:
        """Closing flushes first, which a peer that does not read would delay for ever."""
        if self.close_timer is None and not self.disconnected:
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        super().pause_writing()
        self.can_write = False
        if self.receiver is not None and self.conn.state is OPEN:
            self.receiver.stalled()

    def resume_writing(self) -> None:
        """The transport's buffer has room."""
        super().resume_writing()
        if self.receiver is not None and self.conn.state is OPEN and not self.disconnected:
            self.can_write = True
            self.receiver.flowing()

    # -- the end ----------------------------------------------------------------------------------------------

    def handle_close(self, event: Frame) -> None:
        """The peer closes, or answers our close."""
        self.can_write = False
        super().handle_close(event)
        self._abort_later()

    def handle_parser_exception(self) -> None:
        """The peer broke the protocol. Closing with unread data would reset the connection and could destroy the
        close frame on its way, so only our half is closed, and what still comes is thrown away for a while.
        """
        if self.receiver is None:
            super().handle_parser_exception()
            return
        if self.close_sent:
            return
        self.can_write = False
        self.close_sent = True
        self.transport.write(b"".join(self.conn.data_to_send()))
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self.read_on(True)
        self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """No pong came. While we do not read, or the peer does not, that says nothing; ask again."""
        if self.receiver is not None and not (self.can_write and self.transport.is_reading()):
            self.pong_timer = None
            self.pending_ping_payload = None
            self.schedule_ping()
            return
        self.can_write = False
        super().keepalive_timeout()
        self._abort_later()

    def shutdown(self) -> None:
        """uvicorn goes down. Sockets are told to come back, as far as that has not happened yet."""
        if self.receiver is not None and not self.close_sent:
            self.receiver.restart()
        super().shutdown()
        self._abort_later()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        super().connection_lost(exc)
        self.can_write = False
        receiver, self.receiver = self.receiver, None
        if receiver is not None:
            receiver.lost()


def websocket_protocol(context: EdgeContext) -> type[WebSocketProtocol]:
    """The class to give to uvicorn as `ws`, bound to a context. permessage-deflate is never negotiated."""
    return type(
        "BoundWebSocketProtocol",
        (WebSocketProtocol,),
        {
            "context": context,
            "delivery": delivery_of(context),
            "proxies": Proxies(context.settings.security.trusted_proxies),
        },
    )


def _token_in(headers: Headers, offers: list[str]) -> str:
    """A browser cannot set headers on a WebSocket, but may offer the token as a subprotocol; others can set them."""
    for offer in offers:
        if offer and offer != SUBPROTOCOL:
            return offer.removeprefix("token.")
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""

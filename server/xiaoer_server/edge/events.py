"""GET /api/chat/events: the conversation as a stream of server-sent events.

The same session and cursor as on a WebSocket, in one direction. An event's name is the frame's type, its id is what
`Last-Event-ID` brings back: `seq` behind a whole entry, `seq:offset` within an answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from xiaoer import encode_sse

from ..chat.entries import Entry, Identity, Piece, Typing
from ..chat.session import CloseReason, Delivery, Session
from ..errors import ServerError, Unauthorized
from ..ops.metrics import OPEN_SOCKETS
from . import wire
from .admission import admit, check_owner, delivery_of, open_conversation
from .auth import bearer

if TYPE_CHECKING:
    from ..chat.conversation import Conversation
    from .context import EdgeContext
    from .exchange import Exchange, HotHandler

CONTENT_TYPE = b"text/event-stream"

# Neither of the two lines that follow is ended by a blank one: some decoders would make an empty event of it.

#: How long a browser waits before it comes back, in milliseconds.
RETRY = b"retry: 2000\n"

#: A comment goes out every so many seconds, so that proxies and we ourselves notice who is gone.
HEARTBEAT, HEARTBEAT_SECONDS = b":\n", 15.0

_OPEN = OPEN_SOCKETS.labels("events")

Position = tuple[int, int | None] | None


def events(context: EdgeContext) -> HotHandler:
    """The handler of the route.

    It refuses with Unauthorized, Forbidden, NotFound, RateLimited or Unavailable as a WebSocket handshake does, and
    with BadRequest where Last-Event-ID is malformed.
    """
    delivery = delivery_of(context)

    def handle(exchange: Exchange) -> None:
        parameters = parse_qs(exchange.query.decode("latin-1"))
        origin = exchange.header(b"origin")
        identity = admit(
            context,
            _token(exchange, parameters),
            None if origin is None else origin.decode("latin-1"),
            (exchange.header(b"host") or b"").decode("latin-1"),
        )
        last = (exchange.header(b"last-event-id") or b"").decode("latin-1").strip()
        position = wire.parse_position(last) if last else None
        render = context.render if parameters.get("html") == ["1"] else None
        address = exchange.address
        context.limits.open_socket(address)
        conversation = context.log.cached(identity.tenant, identity.conversation)
        if conversation is None:
            exchange.spawn(_open_later(context, delivery, exchange, identity, position, render))
            return
        try:
            check_owner(conversation, identity)
        except ServerError:
            context.limits.close_socket(address)
            raise
        EventStream(context, delivery, exchange, conversation, render).start(position)

    return handle


async def _open_later(
    context: EdgeContext,
    delivery: Delivery,
    exchange: Exchange,
    identity: Identity,
    position: Position,
    render: Callable[[str], str] | None,
) -> None:
    try:
        conversation = await open_conversation(context, identity)
    except BaseException:
        context.limits.close_socket(exchange.address)
        raise
    EventStream(context, delivery, exchange, conversation, render).start(position)


def _token(exchange: Exchange, parameters: dict[str, list[str]]) -> str:
    """The bearer's, or where a browser's EventSource cannot set headers, the query's.

    Raises:
        Unauthorized: there is neither.
    """
    try:
        return bearer(exchange.header(b"authorization"))
    except Unauthorized:
        if "token" in parameters:
            return parameters["token"][0]
        raise


class EventStream:
    """The outlet of a session over HTTP."""

    __slots__ = ("_address", "_beat", "_context", "_loop", "_open", "_render", "_session", "_stream")

    def __init__(
        self,
        context: EdgeContext,
        delivery: Delivery,
        exchange: Exchange,
        conversation: Conversation,
        render: Callable[[str], str] | None,
    ) -> None:
        self._context = context
        self._address = exchange.address
        self._render = render
        self._loop = asyncio.get_running_loop()
        self._open = True
        self._session = Session(delivery, conversation, self)
        context.sessions.add(self._session)
        _OPEN.inc()
        self._stream = exchange.stream(CONTENT_TYPE, self._session.flowing, self._release)
        self._beat = self._loop.call_later(HEARTBEAT_SECONDS, self._heartbeat)

    def start(self, position: Position) -> None:
        """Deliver from `position`, or from the tail."""
        self._stream.write(RETRY)
        if position is None:
            # Who is cut off before the first event came shall know as well where to go on.
            self._stream.write(encode_sse(wire.PONG, event="pong", id=str(self._session.seq)))
            self._session.begin()
        else:
            self._session.resume(*position)

    def _heartbeat(self) -> None:
        if self.writable:
            self._stream.write(HEARTBEAT)
        else:
            self._session.stalled()
        self._beat = self._loop.call_later(HEARTBEAT_SECONDS, self._heartbeat)

    def _release(self) -> None:
        """The peer is gone, or sent away."""
        if self._open:
            self._open = False
            self._beat.cancel()
            _OPEN.dec()
            self._context.sessions.discard(self._session)
            self._context.limits.close_socket(self._address)
            self._session.close()

    # -- what the session calls -------------------------------------------------------------------------------

    @property
    def writable(self) -> bool:
        """Whether the peer keeps up."""
        return self._open and self._stream.writable

    def deliver_entry(self, entry: Entry) -> None:
        """Send `message`. An answer's is followed by `done`; who is cut off in between lacks only that."""
        position = f"{entry.seq}:{len(entry.text)}" if entry.role == "assistant" else str(entry.seq)
        self._send(encode_sse(wire.message(entry, self._render), "message", position))

    def deliver_piece(self, piece: Piece) -> None:
        """Send `delta`."""
        self._send(wire.sse_delta(piece))

    def deliver_done(self, entry: Entry) -> None:
        """Send `done`."""
        self._send(encode_sse(wire.done(entry, self._render), "done", str(entry.seq)))

    def ack(self, client_id: str, seq: int) -> None:
        """Nothing comes in here, so there is nothing to ack."""

    def error(self, error: ServerError, client_id: str | None = None) -> None:
        """Send `error`."""
        self._send(encode_sse(wire.error(error, client_id), "error"))

    def typing(self, event: Typing) -> None:
        """Send `typing`."""
        self._send(encode_sse(wire.typing(event), "typing"))

    def read_on(self, allowed: bool) -> None:
        """Nothing comes in here."""

    def close(self, reason: CloseReason) -> None:
        """End the stream; the peer comes back by itself, and brings its position."""
        if not self._open:
            return
        if reason is not CloseReason.SLOW_READER:
            self._stream.write(RETRY)
        self._release()
        self._stream.end()

    def _send(self, event: bytes) -> None:
        if self._open:
            self._stream.write(event)

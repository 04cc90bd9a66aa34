"""A visitor's open WebSocket: frames in to the session, the session's deliveries out as frames."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..chat.entries import Entry, Identity, Piece, Typing
from ..chat.session import CloseReason, Session
from ..errors import BadRequest, ServerError, Unavailable
from ..ops.metrics import ACKS, OPEN_SOCKETS
from . import wire
from .opinion import give

if TYPE_CHECKING:
    from ..chat.conversation import Conversation
    from .websocket import WebSocketProtocol

log = logging.getLogger(__name__)

#: A client that resumes says so in its first frame, within this many seconds; else the tail is delivered first.
RESUME_SECONDS = 0.25

#: What is no message has its limit too: frames that weigh more than TALK within TALK_SECONDS close the socket. A bad
#: frame is explained and a resume may bring the whole conversation again, so these weigh HEAVY, all others one.
TALK, TALK_SECONDS, HEAVY = 200, 10.0, 10

_CLOSE_CODES = {CloseReason.RESTART: 1012, CloseReason.SLOW_READER: 1013, CloseReason.DROPPED: 1013}

_OPEN = OPEN_SOCKETS.labels("websocket")

_PONG = wire.ws_frame(wire.PONG)


class ChatSocket:
    """The outlet of a session, and the receiver of its socket."""

    __slots__ = (
        "_address",
        "_backlog",
        "_fresh",
        "_full",
        "_render",
        "_session",
        "_socket",
        "_talk",
        "_talk_since",
        "_visitor",
    )

    def __init__(
        self,
        socket: WebSocketProtocol,
        conversation: Conversation,
        identity: Identity,
        address: str,
        *,
        render: bool,
    ) -> None:
        self._socket = socket
        self._visitor = identity.visitor
        self._address = address
        self._render: Callable[[str], str] | None = socket.context.render if render else None
        self._fresh = True  # no frame has come yet
        self._full = False  # as many messages under way as are allowed
        self._backlog: deque[bytes] | None = None  # frames that had arrived already when it became full
        self._talk = 0
        self._talk_since = 0.0
        self._session = Session(socket.delivery, conversation, self)
        socket.context.sessions.add(self._session)
        _OPEN.inc()
        socket.loop.call_later(RESUME_SECONDS, self._session.begin)

    # -- in ---------------------------------------------------------------------------------------------------

    def text(self, payload: bytes) -> None:
        """Take one frame; while too much is under way it waits."""
        if self._full:
            if self._backlog is None:
                self._backlog = deque()
            self._backlog.append(payload)
            return
        try:
            frame = wire.decode(payload, self._socket.context.settings.limits.text_chars)
        except wire.Refused as refused:
            self._refuse(refused.error, refused.client_id)
            return
        fresh, self._fresh = self._fresh, False
        if fresh and type(frame) is not wire.ResumeFrame:
            self._session.begin()
        match frame:
            case wire.PostFrame():
                self._post(frame)
            case wire.TypingFrame():
                self._session.typing()
                self._weigh(1)
            case wire.ReadFrame():
                self._session.read(frame.seq)
                self._weigh(1)
            case wire.FeedbackFrame():
                self._feedback(frame)
                self._weigh(HEAVY)
            case wire.PingFrame():
                self._socket.send_frame(_PONG)
                self._weigh(1)
            case wire.ResumeFrame():
                # Later than first it sets the cursor back or forth: what lies behind it comes again.
                self._session.resume(frame.after, frame.offset)
                self._weigh(HEAVY)

    def _post(self, frame: wire.PostFrame) -> None:
        context = self._socket.context
        try:
            if context.draining:
                raise Unavailable("The server is restarting.", code="draining", retry_after=2)
            context.limits.check_message(self._visitor, self._address)
        except ServerError as error:
            self.error(error, frame.client_id)
            self._weigh(1)
        else:
            self._session.post(frame.client_id, frame.text)

    def _feedback(self, frame: wire.FeedbackFrame) -> None:
        task = self._socket.loop.create_task(
            give(self._socket.context, self._session.conversation, frame.seq, frame.value)
        )
        task.add_done_callback(self._opined)

    def _opined(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        if not isinstance(error, ServerError):
            log.error("an opinion of an answer was lost", exc_info=error)
            error = Unavailable("The opinion could not be stored.", code="store_unavailable", retry_after=5)
        self.error(error)

    def binary(self, payload: bytes) -> None:
        """The chat has none."""
        del payload
        self._refuse(BadRequest("Frames are text.", code="binary_frame"), None)

    def _refuse(self, error: ServerError, client_id: str | None) -> None:
        self.error(error, client_id)
        self._weigh(HEAVY)

    def _weigh(self, weight: int) -> None:
        now = self._socket.loop.time()
        if now - self._talk_since > TALK_SECONDS:
            self._talk_since = now
            self._talk = 0
        self._talk += weight
        if self._talk > TALK:
            self._socket.start_close(1008, "too many frames")

    # -- out: what the session calls --------------------------------------------------------------------------

    @property
    def writable(self) -> bool:
        """Whether the peer keeps up."""
        return self._socket.can_write

    def deliver_entry(self, entry: Entry) -> None:
        """Send `message`."""
        self._socket.send_frame(wire.ws_frame(wire.message(entry, self._render)))

    def deliver_piece(self, piece: Piece) -> None:
        """Send `delta`."""
        self._socket.send_frame(wire.ws_delta(piece))

    def deliver_done(self, entry: Entry) -> None:
        """Send `done`."""
        self._socket.send_frame(wire.ws_frame(wire.done(entry, self._render)))

    def ack(self, client_id: str, seq: int) -> None:
        """Send `ack`."""
        ACKS.inc()
        self._socket.send_frame(wire.ws_frame(wire.encode(wire.Ack(client_id, seq))))

    def error(self, error: ServerError, client_id: str | None = None) -> None:
        """Send `error`."""
        self._socket.send_frame(wire.ws_frame(wire.error(error, client_id)))

    def typing(self, event: Typing) -> None:
        """Send `typing`."""
        self._socket.send_frame(wire.ws_frame(wire.typing(event)))

    def read_on(self, allowed: bool) -> None:
        """The session is full, or no longer."""
        self._full = not allowed
        if not allowed:
            self._socket.read_on(False)
            return
        # Taken out of sight: a message that is refused at once comes back here before it has returned.
        backlog, self._backlog = self._backlog, None
        while backlog and not self._full:
            self.text(backlog.popleft())
        if backlog:
            self._backlog = backlog
        self._read_if_possible()

    def close(self, reason: CloseReason) -> None:
        """Close the socket; the peer may come back."""
        self._socket.start_close(_CLOSE_CODES[reason], reason.value)

    # -- the socket's state -----------------------------------------------------------------------------------

    def stalled(self) -> None:
        """What a peer that does not read would be answered has no room; so it is not asked either."""
        self._socket.read_on(False)
        self._session.stalled()

    def flowing(self) -> None:
        """There is room again."""
        self._read_if_possible()
        self._session.flowing()

    def _read_if_possible(self) -> None:
        if not self._full and self._socket.can_write:
            self._socket.read_on(True)

    def restart(self) -> None:
        """The server goes down."""
        self._session.close_for_restart()

    def lost(self) -> None:
        """The connection is gone. What waits was not acked, and will be sent again."""
        _OPEN.dec()
        self._backlog = None
        self._socket.context.sessions.discard(self._session)
        self._socket.context.limits.close_socket(self._address)
        self._session.close()

"""One open socket or event stream of a conversation: where it is in the log, and what it still owes its peer.

The log is the queue. A session keeps a cursor, `seq` entries and `offset` code points of the one behind them, and
pumps from there whenever the log says that something became visible, as far as its outlet can be written. A peer
that comes back names its cursor, and the pump goes on from it: nothing is missed, nothing comes twice.
"""

from __future__ import annotations

import asyncio
import logging
import random
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol

from ..errors import ServerError, Unavailable
from .entries import Entry, Piece, Typing

if TYPE_CHECKING:
    from .conversation import Conversation
    from .live import LiveAnswer
    from .log import ConversationLog

log = logging.getLogger(__name__)

#: Entries that are fetched at once where the cursor is older than the log's tail in memory.
PAGE = 100

#: One `typing` of a socket is passed on in this many seconds.
TYPING_GAP = 2.0

_end = attrgetter("end")


class CloseReason(Enum):
    """Why a session ends its outlet. In each case the peer may come back and resume."""

    RESTART = "restart"
    SLOW_READER = "slow reader"
    DROPPED = "store unavailable"


class Outlet(Protocol):
    """What a session writes to. Calls on an outlet that has closed do nothing."""

    @property
    def writable(self) -> bool:
        """False while the transport's buffer is full, and for good once the outlet has closed."""

    def deliver_entry(self, entry: Entry) -> None: ...

    def deliver_piece(self, piece: Piece) -> None: ...

    def deliver_done(self, entry: Entry) -> None: ...

    def ack(self, client_id: str, seq: int) -> None: ...

    def error(self, error: ServerError, client_id: str | None = None) -> None: ...

    def typing(self, event: Typing) -> None: ...

    def read_on(self, allowed: bool) -> None:
        """Stop or go on taking frames from the peer."""

    def close(self, reason: CloseReason) -> None: ...


Accept = Callable[["Conversation", str, str, Callable[[int, "ServerError | None", "str | None"], None]], None]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What all sessions of a process share.

    `accept` is the pipeline's; `mark_read(tenant, conversation, seq)` stores how far a visitor has read.
    """

    log: ConversationLog
    accept: Accept
    mark_read: Callable[[str, str, int], None]
    in_flight: int = 64
    slow_reader_seconds: float = 30.0


class Session:
    """Delivers one conversation to one outlet, and takes the visitor's frames from it.

    Made subscribed, with the cursor at the tail; an answer that is under way then is delivered from its beginning.
    Nothing is delivered before `begin` or `resume`.
    """

    __slots__ = (
        "_begun",
        "_closed",
        "_delivery",
        "_fetch",
        "_in_flight",
        "_index",
        "_loop",
        "_outlet",
        "_own",
        "_page",
        "_partial",
        "_read",
        "_stalled",
        "_typed_at",
        "conversation",
        "offset",
        "seq",
    )

    def __init__(self, delivery: Delivery, conversation: Conversation, outlet: Outlet) -> None:
        self._delivery = delivery
        self._outlet = outlet
        self._loop = asyncio.get_running_loop()
        self._begun = False
        self._closed = False
        self._in_flight = 0
        self._own: dict[str, str] | None = None  # client_id to text: came in here, cursor not yet behind it
        self._page: list[Entry] | None = None  # older entries, the next one last
        self._fetch: asyncio.Task[None] | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._typed_at = 0.0
        self._read = 0
        self.conversation = conversation
        self._to_tail()
        conversation.subscribe(self)

    # -- the cursor -------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Deliver from where the log ended when this session was made. Does nothing if it has begun."""
        if not self._begun:
            self._begun = True
            self._pump()

    def resume(self, after: int, offset: int | None = None) -> None:
        """Deliver from behind entry `after`, or from behind its first `offset` code points.

        A cursor beyond the log, as after the loss of a disk, becomes the tail.
        """
        live = self.conversation.live
        if after > self.conversation.durable:
            self._to_tail()
        elif after > 0 and offset is not None:
            self._to(after - 1, offset, partial=True)
        elif live is not None and live.entry.seq == after:
            # Nobody can have the whole of an answer that still grows.
            self._to(after - 1)
        else:
            self._to(after)
        self._begun = True
        self._pump()

    def _to_tail(self) -> None:
        durable, live = self.conversation.durable, self.conversation.live
        # An answer that has just been begun may lie behind entries that are not durable yet.
        self._to(durable if live is None else min(durable, live.entry.seq - 1))

    def _to(self, seq: int, offset: int = 0, *, partial: bool = False) -> None:
        self.seq = seq
        self.offset = offset
        self._partial = partial  # the peer has, or claims to have, a part of entry seq + 1
        self._index = -1  # of the live answer's next piece, once looked up
        self._page = None
        if self._fetch is not None:
            self._fetch.cancel()
            self._fetch = None

    # -- out: what the log tells ------------------------------------------------------------------------------

    def changed(self) -> None:
        """Something became visible in the conversation."""
        if self._begun:
            self._pump()

    def transient(self, event: object) -> None:
        """Something happened that is not stored."""
        if isinstance(event, Typing) and self._outlet.writable:
            self._outlet.typing(event)

    def dropped(self, error: ServerError) -> None:
        """The conversation left memory after a failed commit; the peer shall come back."""
        if self._closed:
            return
        self.close()
        self._outlet.error(error)
        # The refusals of messages under way come right behind this call and shall still go out.
        self._loop.call_soon(self._outlet.close, CloseReason.DROPPED)

    def _pump(self) -> None:
        if self._closed or self._fetch is not None:
            return
        conversation, outlet = self.conversation, self._outlet
        while outlet.writable:
            seq = self.seq + 1
            live = conversation.live
            if live is not None and live.entry.seq == seq:
                self._deliver_live(live)
                return
            if seq > conversation.durable:
                return
            entry = conversation.entry(seq) or self._from_page(seq)
            if entry is None:
                self._fetch = self._loop.create_task(self._fetch_page())
                return
            if entry.status == "streaming":
                return
            self._deliver(entry)
        self.stalled()

    def _deliver_live(self, live: LiveAnswer) -> None:
        """Send the pieces that the peer lacks. The loop's body is what a token costs a socket."""
        outlet, pieces = self._outlet, live.pieces
        if self._index < 0:
            self._find_piece(live)
        index = self._index
        while index < len(pieces) and outlet.writable:
            piece = pieces[index]
            index += 1
            outlet.deliver_piece(piece)
            self.offset = piece.end
            self._partial = True
        self._index = index
        if not outlet.writable:
            self.stalled()

    def _find_piece(self, live: LiveAnswer) -> None:
        if self.offset > live.length:
            self.offset = 0
        pieces = live.pieces
        index = bisect_right(pieces, self.offset, key=_end)
        if index < len(pieces) and pieces[index].offset < self.offset:
            piece = pieces[index]
            rest = Piece(piece.seq, self.offset, piece.text[self.offset - piece.offset :])
            self._outlet.deliver_piece(rest)
            self.offset = rest.end
            index += 1
        self._index = index

    def _deliver(self, entry: Entry) -> None:
        """Send what the peer lacks of an entry that will not change any more, and step behind it."""
        outlet = self._outlet
        length = len(entry.text)
        if self._partial and entry.role == "assistant" and self.offset <= length:
            if self.offset < length:
                outlet.deliver_piece(Piece(entry.seq, self.offset, entry.text[self.offset :]))
            outlet.deliver_done(entry)
        elif self._partial and self.offset == length:
            pass
        elif not self._take_own(entry):
            outlet.deliver_entry(entry)
            if entry.role == "assistant":
                outlet.deliver_done(entry)
        self.seq += 1
        self.offset = 0
        self._partial = False
        self._index = -1

    def _take_own(self, entry: Entry) -> bool:
        """Whether the peer knows this entry because it sent it, in these words; forgotten by asking."""
        if self._own is None or entry.client_id is None or entry.client_id not in self._own:
            return False
        known = self._own[entry.client_id] == entry.text
        self._forget(entry.client_id)
        return known

    # -- older than the tail ----------------------------------------------------------------------------------

    def _from_page(self, seq: int) -> Entry | None:
        page = self._page
        if page is None:
            return None
        if page and page[-1].seq == seq and page[-1].status != "streaming":
            return page.pop()
        self._page = None
        return None

    async def _fetch_page(self) -> None:
        conversation = self.conversation
        try:
            page = await self._delivery.log.range(conversation.tenant, conversation.id, after=self.seq, limit=PAGE)
        except ServerError as error:
            self._give_up(error)
            return
        except Exception:
            log.exception("reading a conversation failed")
            self._give_up(Unavailable("The log cannot be read.", code="store_unavailable", retry_after=1))
            return
        self._fetch = None
        if not page or page[0].seq != self.seq + 1:
            log.error("entry %d of conversation %s is not there", self.seq + 1, conversation.id)
            self._give_up(Unavailable("The log cannot be read.", code="store_unavailable", retry_after=5))
        elif page[0].status == "streaming" and conversation.entry(self.seq + 1) is None:
            # It ended while it was read, and is gone from the tail already: once more.
            self._loop.call_later(1.0, self.changed)
        else:
            page.reverse()
            self._page = page
            self._pump()

    def _give_up(self, error: ServerError) -> None:
        self._fetch = None
        self.dropped(error)

    # -- in: what the visitor sends ---------------------------------------------------------------------------

    def post(self, client_id: str, text: str) -> None:
        """Take a message; `ack` or `error` follows on the outlet once its fate is known."""
        self._in_flight += 1
        if self._in_flight == self._delivery.in_flight:
            self._outlet.read_on(False)
        if self._own is None:
            self._own = {}
        self._own[client_id] = text
        self._delivery.accept(self.conversation, client_id, text, partial(self._accepted, client_id))

    def _accepted(self, client_id: str, seq: int, error: ServerError | None, _stored: str | None) -> None:
        if error is not None:
            self._forget(client_id)
            self._outlet.error(error, client_id)
        else:
            self._outlet.ack(client_id, seq)
            if seq <= self.seq:
                self._forget(client_id)
        self._in_flight -= 1
        if self._in_flight == self._delivery.in_flight - 1:
            self._outlet.read_on(True)

    def _forget(self, client_id: str) -> None:
        own = self._own
        if own is not None:
            own.pop(client_id, None)
            if not own:
                self._own = None

    def typing(self) -> None:
        """The visitor is writing: tell the conversation's other outlets, at most once in TYPING_GAP."""
        now = self._loop.time()
        if now - self._typed_at >= TYPING_GAP:
            self._typed_at = now
            self.conversation.tell(Typing("visitor"), but=self)

    def read(self, seq: int) -> None:
        """The visitor has seen everything up to entry `seq`."""
        seq = min(seq, self.conversation.durable)
        if seq > self._read:
            self._read = seq
            self._delivery.mark_read(self.conversation.tenant, self.conversation.id, seq)

    # -- the outlet's state -----------------------------------------------------------------------------------

    def stalled(self) -> None:
        """The peer does not read: it has `slow_reader_seconds` to begin again."""
        if self._stalled is None and not self._closed:
            self._stalled = self._loop.call_later(
                self._delivery.slow_reader_seconds, self._outlet.close, CloseReason.SLOW_READER
            )

    def flowing(self) -> None:
        """The outlet can be written again."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        self.changed()

    def close_for_restart(self) -> None:
        """Tell the peer to come back, at a time of its own so that not all come at once, and close."""
        wait = round(random.uniform(1.0, 3.0), 1)  # noqa: S311
        self._outlet.error(Unavailable("The server is restarting.", code="draining", retry_after=wait))
        self._outlet.close(CloseReason.RESTART)

    def close(self) -> None:
        """The outlet is gone: deliver nothing more. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self.conversation.unsubscribe(self)
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        if self._fetch is not None:
            self._fetch.cancel()
            self._fetch = None

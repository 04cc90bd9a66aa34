"""A conversation in memory: its newest entries and who watches it. `chat/log.py` makes, changes and drops it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..errors import ServerError
from .entries import Entry

if TYPE_CHECKING:
    from .live import LiveAnswer

#: Code points of visitors' texts that a conversation keeps in memory, the newest entry aside: a visitor who sends the
#: longest texts costs 256 KiB, not the 3 MiB that a full tail of them would.
KEPT_CHARS = 65_536


class Subscriber(Protocol):
    """Somebody who watches a conversation. No call may raise or block."""

    def changed(self) -> None:
        """Something became visible: read on from your own cursor."""

    def transient(self, event: object) -> None:
        """Something happened that is not stored, as somebody typing."""

    def dropped(self, error: ServerError) -> None:
        """A commit failed and the conversation left memory: tell the peer to come back.

        The subscription has ended. What was pending is refused right behind this call.
        """


class Conversation:
    """One conversation. Single loop, no locks.

    Attributes:
        visitor: Id of the visitor whose conversation it is.
        durable: The highest seq that is durable, with all before it; only these entries are visible.
        last_seq: The highest seq that was given away.
        live: The answer that grows right now, its entry being visible already.
    """

    __slots__ = (
        "__weakref__",
        "_chars",
        "_keep",
        "_state",
        "_subscribers",
        "_tail",
        "_watched",
        "client_ids",
        "durable",
        "failed",
        "id",
        "last_seq",
        "live",
        "pending",
        "tenant",
        "visitor",
    )

    def __init__(
        self,
        tenant: str,
        conversation: str,
        visitor: str,
        tail: list[Entry],
        keep: int,
        watched: set[Conversation],
        *,
        state: str | None = None,
    ) -> None:
        """
        Args:
            tail: The newest entries; taken over.
            keep: How many of them stay in memory; fewer where they are long.
            watched: Holds the conversation while it has subscribers, so that they are reached for certain.
            state: The newest state of a dialogue, which may be older than all of the tail.
        """
        self.tenant = tenant
        self.id = conversation
        self.visitor = visitor
        self.durable = self.last_seq = tail[-1].seq if tail else 0
        self.live: LiveAnswer | None = None
        self.client_ids: dict[str, int] = {}
        self.pending: dict[int, object] = {}  # by seq, for the log
        self.failed: ServerError | None = None  # set once the log has dropped it
        self._tail = tail
        self._keep = keep
        self._watched = watched
        self._state = state
        # A tuple, because it is walked far more often than it changes, and changes while it is walked.
        self._subscribers: tuple[Subscriber, ...] = ()
        self._chars = sum(map(_chars, tail))
        self._shorten()

    @property
    def dialog_state(self) -> bytes | None:
        """The state of the dialogue that runs, as `brain/dialog.py` left it; None if none runs."""
        return self._state.encode() if self._state else None

    @property
    def watched(self) -> bool:
        """Whether anybody has subscribed."""
        return bool(self._subscribers)

    def entry(self, seq: int) -> Entry | None:
        """A visible entry out of memory; None if it is older than that, or not there (yet)."""
        tail = self._tail
        if not tail or seq > self.durable:
            return None
        at = seq - tail[0].seq
        return tail[at] if at >= 0 else None

    def recent(self, count: int) -> list[Entry]:
        """Up to `count` of the newest visible entries that are in memory, oldest first."""
        return self._tail[-count:] if count > 0 else []

    def between(self, first: int, last: int) -> list[Entry] | None:
        """Visible entries `first` to `last` at most; None if memory does not reach back to `first`."""
        tail = self._tail
        if first > self.durable:
            return []
        start = first - tail[0].seq
        return tail[start : max(start, start + last - first + 1)] if start >= 0 else None

    def add(self, entry: Entry) -> None:
        """Make the next entry visible; the log calls this once it is durable, and notifies."""
        self.durable = entry.seq
        self._tail.append(entry)
        if entry.state is not None:
            self._state = entry.state
        self._chars += _chars(entry)
        self._shorten()

    def _shorten(self) -> None:
        tail = self._tail
        while len(tail) > self._keep or (self._chars > KEPT_CHARS and len(tail) > 1):
            self._chars -= _chars(tail.pop(0))

    def subscribe(self, subscriber: Subscriber) -> None:
        """Tell `subscriber` of everything from now on."""
        self._subscribers += (subscriber,)
        self._watched.add(self)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Tell it no more. Does nothing if it is not subscribed."""
        self._subscribers = tuple(other for other in self._subscribers if other is not subscriber)
        if not self._subscribers:
            self._watched.discard(self)

    def notify(self) -> None:
        """Tell all subscribers that something became visible."""
        for subscriber in self._subscribers:
            subscriber.changed()

    def tell(self, event: object, *, but: Subscriber | None = None) -> None:
        """Tell all subscribers except `but` of something transient."""
        for subscriber in self._subscribers:
            if subscriber is not but:
                subscriber.transient(event)

    def drop(self, error: ServerError) -> None:
        """Refuse everything from now on and tell the subscribers; for the log."""
        self.failed = error
        subscribers, self._subscribers = self._subscribers, ()
        self._watched.discard(self)
        for subscriber in subscribers:
            subscriber.dropped(error)


def _chars(entry: Entry) -> int:
    """What counts: an answer's text is the model's, and not there yet when its entry comes."""
    return len(entry.text) if entry.role == "visitor" else 0

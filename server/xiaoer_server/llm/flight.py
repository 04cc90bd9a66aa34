"""One call to the upstream, read by everyone who asked for the same.

The first one to ask leads: its call feeds the flight. Who comes while it is under way takes a seat, reads from the
first byte on, and then the bytes as they come. There is one list of blocks; a seat is a cursor into it. Everything is
a callback on the loop's thread; there is no task, queue or copy for a reader.

Back-pressure: the upstream's reading is paused while no reader is ready for more, so the fastest one governs. A reader
that is more than `backlog` bytes behind the end, while another one keeps up, is told a failure and loses its seat:
it neither holds up the others nor keeps an endless answer in memory. A flight holds at most what may be stored, or
what its slowest seat has not read.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

from .receiver import UpstreamError

log = logging.getLogger(__name__)


class Source(Protocol):
    """The call that feeds a flight; a `relay.Call` is one."""

    def pause(self) -> None:
        """Read no more for now."""

    def resume(self) -> None:
        """Read on."""

    def cancel(self) -> None:
        """Nobody wants the rest."""


class Reader(Protocol):
    """Who reads a flight. After `end` or `fail`, one of them once, it hears nothing more."""

    def take(self, block: bytes) -> bool:
        """The next bytes. False asks for a pause until `Seat.resume`, called after this has returned."""

    def end(self) -> None:
        """That was the whole answer."""

    def fail(self, failure: Any) -> None:
        """There is no whole answer; what the flight's source said, or an `UpstreamError` for a reader too slow."""


class Seat:
    """A reader's place in a flight. Nothing is read before the first `resume`."""

    __slots__ = ("_at", "_flight", "_pumping", "_reader", "ready")

    def __init__(self, flight: Flight, reader: Reader) -> None:
        self._flight: Flight | None = flight
        self._reader = reader
        self._at = 0
        self._pumping = False
        self.ready = False

    @property
    def open(self) -> bool:
        """Whether the reader will hear more."""
        return self._flight is not None

    def resume(self) -> None:
        """The reader is ready for more: what is there comes at once."""
        flight = self._flight
        if flight is not None and not self.ready:
            self.ready = True
            self.pump()
            flight.settle()

    def leave(self) -> None:
        """The reader goes and hears nothing more. The last one to go cancels the call."""
        flight = self._flight
        if flight is not None:
            self._flight = None
            flight.left(self)

    # -- the flight's -----------------------------------------------------------------------------------------

    @property
    def at(self) -> int:
        """The number of the block that comes next, from the flight's first one on."""
        return self._at

    def pump(self) -> None:
        """Hand over what is there. A reader that fails in it loses its seat; the others go on."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while self.ready and (flight := self._flight) is not None:
                if self._at == flight.end_at:
                    if flight.whole:
                        self._flight = None
                        flight.left(self)
                        self._reader.end()
                    return
                block = flight.block(self._at)
                self._at += 1
                if not self._reader.take(block):
                    self.ready = False
        except Exception:
            log.exception("a reader of a shared answer failed")
            self.leave()
        finally:
            self._pumping = False

    def refuse(self, failure: Any) -> None:
        """Tell the reader that there is no whole answer."""
        flight, self._flight = self._flight, None
        if flight is None:
            return
        flight.left(self)
        try:
            self._reader.fail(failure)
        except Exception:
            log.exception("a reader of a shared answer failed")


class Flight:
    """See the module.

    Args:
        keep: Most bytes that are worth keeping whole; an answer that grows beyond takes no more readers.
        backlog: How many bytes a reader may be behind while another one keeps up.
        closed: Called once, when the flight takes no more readers: with the whole answer if it came and is kept, else
            with None.
    """

    def __init__(
        self, *, keep: int, backlog: int = 1_048_576, closed: Callable[[Flight, bytes | None], None] | None = None
    ) -> None:
        self._keep = keep
        self._backlog = backlog
        self._closed = closed
        self._source: Source | None = None
        self._seats: dict[Seat, None] = {}
        self._blocks: list[bytes] = []
        self._first = 0  # the number of the first block that is still held
        self._dropped = 0  # bytes before it
        self._paused = False
        self._joinable = True
        self._over = False
        self._abandoned = False  # by its readers, before it was said what feeds it
        self.bytes = 0
        self.whole = False

    @property
    def joinable(self) -> bool:
        """Whether all of the answer can still be had."""
        return self._joinable

    @property
    def readers(self) -> int:
        """How many read or will."""
        return len(self._seats)

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return self.bytes - self._dropped

    def join(self, reader: Reader) -> Seat:
        """Take a seat; it reads from the first byte on.

        Raises:
            ValueError: the flight is not joinable.
        """
        if not self._joinable:
            raise ValueError("this flight takes no more readers")
        seat = Seat(self, reader)
        self._seats[seat] = None
        return seat

    # -- the source's -----------------------------------------------------------------------------------------

    def fed_by(self, source: Source) -> None:
        """Say which call feeds it; at once cancelled if everybody has gone."""
        if self._abandoned:
            self._abandoned = False
            source.cancel()
        if self._over:
            return
        self._source = source
        if self._paused:
            source.pause()

    def feed(self, block: bytes) -> None:
        """The next bytes of the answer."""
        if self._over or not block:
            return
        self._blocks.append(block)
        self.bytes += len(block)
        if self._joinable and self.bytes > self._keep:
            self._close(None)
        for seat in list(self._seats):
            seat.pump()
        self.settle()

    def finish(self) -> None:
        """The answer is whole, and may be kept."""
        if self._over:
            return
        self._over = self.whole = True
        self._source = None
        if self._joinable:
            self._close(b"".join(self._blocks))
        for seat in list(self._seats):
            seat.pump()
        self._trim()

    def fail(self, failure: Any) -> None:
        """There will be no whole answer: everybody hears it now, whatever they have read, and nothing is kept."""
        if self._over:
            return
        self._over = True
        self._source = None
        self._close(None)
        for seat in list(self._seats):
            seat.refuse(failure)
        self._trim()

    # -- the seats' -------------------------------------------------------------------------------------------

    @property
    def end_at(self) -> int:
        """The number after the last block."""
        return self._first + len(self._blocks)

    def block(self, number: int) -> bytes:
        """A block that is still held."""
        return self._blocks[number - self._first]

    def left(self, seat: Seat) -> None:
        """A seat is empty."""
        del self._seats[seat]
        if self._seats or self._over:
            self.settle()
            return
        self._over = True
        source, self._source = self._source, None
        self._abandoned = source is None
        self._close(None)
        self._trim()
        if source is not None:
            source.cancel()

    def settle(self) -> None:
        """After a seat has moved: forget what nobody needs, drop who is too far behind, pause or go on."""
        self._trim()
        ready = any(seat.ready for seat in self._seats)
        if ready:
            self._drop_the_slow()
        if self._over or self._paused is not ready:
            return
        self._paused = not ready
        if self._source is not None:
            if ready:
                self._source.resume()
            else:
                self._source.pause()

    def _drop_the_slow(self) -> None:
        if self._over or self.held <= self._backlog:
            return
        for seat in list(self._seats):
            if not seat.ready and sum(map(len, self._blocks[seat.at - self._first :])) > self._backlog:
                message = "the reader is too far behind others of the same answer"
                seat.refuse(UpstreamError("unavailable", message, answered=True))

    def _trim(self) -> None:
        """While it can be joined or kept, all is held; afterwards what some seat still has to read."""
        if self._joinable:
            return
        needed = min((seat.at for seat in self._seats), default=self.end_at) - self._first
        if needed > 0:
            self._dropped += sum(map(len, self._blocks[:needed]))
            del self._blocks[:needed]
            self._first += needed

    def _close(self, answer: bytes | None) -> None:
        if self._joinable:
            self._joinable = False
            if self._closed is not None:
                closed, self._closed = self._closed, None
                closed(self, answer)

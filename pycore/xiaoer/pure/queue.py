"""The priority queue in plain Python: what the native one must do, put by put and get by get.

Orders, from the outside in: the most urgent level that holds anything; inside it, tenants take turns; inside a
tenant, first in, first out. The waiting protocol is that of `asyncio.Queue`: an item leaves the queue only in
the very step in which its getter goes on, so a cancelled getter cannot take an item with it.
"""

from __future__ import annotations

import asyncio
import operator
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, NamedTuple, Never, Self, TypeVar, final

from xiaoer.errors import QueueEmpty, QueueFull

T = TypeVar("T")
Waiters = OrderedDict["asyncio.Future[None]", None]
MAX_LEVELS = 64


class LevelStats(NamedTuple):
    """What became of the items put with one priority. Times are in seconds.

    `depth` wait now; `taken` and `cancelled` have left; `promoted` counts steps up by ageing. `waited` is the
    sum over the items taken, from put to get, and `longest` its greatest term: `waited / taken` is the mean.
    """

    depth: int
    taken: int
    cancelled: int
    promoted: int
    waited: float
    longest: float


@final
class Ticket:
    """One item's place in a queue, for `PriorityQueue.cancel`; keeps neither item nor queue alive."""

    __slots__ = ("_born", "_key", "_level", "_since", "priority", "tenant")

    priority: int
    tenant: Hashable
    _born: float  # when it was put
    _since: float  # when it came to the level where it stands
    _level: int
    _key: object  # of the queue that it waits in

    def __new__(cls, *_: Never) -> Self:
        raise TypeError("tickets are made by PriorityQueue.put")

    def __repr__(self) -> str:
        return f"<Ticket priority={self.priority} tenant={self.tenant!r}>"


Lane = OrderedDict[Ticket, Any]


@final
class PriorityQueue(Generic[T]):
    """A queue with levels of urgency, fair between tenants, for the tasks of one event loop.

    Args:
        levels: Number of levels, 1 to 64; 0 is the most urgent.
        maxsize: Most items that wait at once; 0 is unbounded.
        ageing: Seconds after which an item that waits moves to the end of the next more urgent level, again
            and again, so that nothing starves. Looked at on every get. None turns it off.
        clock: Seconds that never go back; for tests and simulated time. The default is the system's
            monotonic clock, which may be a coarse one (a few milliseconds).

    Inside a level, tenants that have something waiting take turns, one item each; a tenant new to the level
    takes its turn last. Inside a tenant it is first in, first out. No tenant (None) is a tenant of its own.

    Not thread-safe. Cancelling a task that waits in `put`, `get` or `get_many` neither loses nor doubles an item.

    Raises:
        ValueError: An argument out of its range.
    """

    def __init__(
        self,
        levels: int = 2,
        maxsize: int = 0,
        *,
        ageing: float | None = None,
        clock: Callable[[], float] | None = None,
    ) -> None:
        if not 1 <= levels <= MAX_LEVELS:
            raise ValueError(f"levels must be 1 to {MAX_LEVELS}, not {levels}")
        if maxsize < 0:
            raise ValueError(f"maxsize must be 0 (unbounded) or more, not {maxsize}")
        if ageing is not None and not ageing > 0:
            raise ValueError(f"ageing must be more than 0 seconds, not {ageing}")
        self.levels = levels
        self.maxsize = maxsize
        self.ageing = ageing
        self._clock = clock or time.monotonic
        self._key = object()
        self._size = 0
        # Of each level: the tenants in the order of their turns, and all its tickets, oldest first.
        self._lanes: list[OrderedDict[Hashable, Lane]] = [OrderedDict() for _ in range(levels)]
        self._ages: list[OrderedDict[Ticket, None]] = [OrderedDict() for _ in range(levels)]
        self._depth = [0] * levels  # these six by the priority an item was put with
        self._taken = [0] * levels
        self._cancelled = [0] * levels
        self._promoted = [0] * levels
        self._waited = [0.0] * levels
        self._longest = [0.0] * levels
        self._getters: Waiters = Waiters()
        self._putters: Waiters = Waiters()

    def put_nowait(self, item: T, priority: int = 1, tenant: Hashable = None) -> Ticket:
        """Puts `item` in and returns its ticket.

        `priority` is 0 to `levels - 1`, lower is more urgent; where there is one level, 1 means it too.

        Raises:
            QueueFull: `maxsize` items wait already.
            ValueError: There is no such level.
        """
        level = self._level(priority)
        if self.maxsize and self._size >= self.maxsize:
            raise QueueFull(f"{self._size} items wait already")
        ticket = object.__new__(Ticket)
        ticket.priority, ticket.tenant, ticket._key = level, tenant, self._key
        ticket._born = self._clock()
        self._lanes[level].get(tenant)
        if self.maxsize and self._size >= self.maxsize:  # clock or tenants have put something
            raise QueueFull(f"{self._size} items wait already")
        self._stand(ticket, item, level, ticket._born)
        self._size += 1
        self._depth[level] += 1
        _wake(self._getters)
        return ticket

    def get_nowait(self) -> T:
        """Takes the most urgent item.

        Raises:
            QueueEmpty: Nothing waits.
        """
        if not self._size:
            raise QueueEmpty("nothing waits")
        now = self._clock()
        self._promote(now)
        lanes = next(lanes for lanes in self._lanes if lanes)
        tenant, lane = next(iter(lanes.items()))
        lanes.move_to_end(tenant)
        ticket = next(iter(lane))
        waited = now - ticket._born
        self._taken[ticket.priority] += 1
        self._waited[ticket.priority] += waited
        self._longest[ticket.priority] = max(waited, self._longest[ticket.priority])
        return self._leave(ticket)

    async def put(self, item: T, priority: int = 1, tenant: Hashable = None) -> Ticket:
        """Like `put_nowait`, but waits for room where `maxsize` items wait."""
        self._level(priority)
        hash(tenant)  # whatever can fail must fail before a place is waited for
        await self._wait(self._putters, lambda: not self.maxsize or self._size < self.maxsize)
        return self.put_nowait(item, priority, tenant)

    async def get(self) -> T:
        """Like `get_nowait`, but waits for an item."""
        await self._wait(self._getters, lambda: self._size > 0)
        return self.get_nowait()

    async def get_many(self, n: int) -> list[T]:
        """Waits for at least one item and takes up to `n`, with one wake-up for all of them.

        Raises:
            ValueError: `n` is less than 1.
        """
        if n < 1:
            raise ValueError(f"n must be 1 or more, not {n}")
        await self._wait(self._getters, lambda: self._size > 0)
        return [self.get_nowait() for _ in range(min(n, self._size))]

    def cancel(self, ticket: Ticket) -> bool:
        """Takes the ticket's item out, in O(1), and lets go of it. False where it has left already."""
        if not isinstance(ticket, Ticket):
            raise TypeError(f"ticket must be a Ticket, not {type(ticket).__name__}")
        if ticket._key is not self._key:
            return False
        self._cancelled[ticket.priority] += 1
        self._leave(ticket)
        return True

    def qsize(self, priority: int | None = None) -> int:
        """How many items wait, in all or of those put with `priority`."""
        return self._size if priority is None else self._depth[self._level(priority)]

    def stats(self) -> list[LevelStats]:
        """Counters since the queue was made, one for each priority, by the priority an item was put with."""
        counters = self._depth, self._taken, self._cancelled, self._promoted, self._waited, self._longest
        return [LevelStats(*row) for row in zip(*counters, strict=True)]

    def _level(self, priority: int) -> int:
        level = operator.index(priority)
        if level == self.levels == 1:
            return 0
        if not 0 <= level < self.levels:
            raise ValueError(f"priority must be 0 to {self.levels - 1}, not {priority}")
        return level

    def _stand(self, ticket: Ticket, item: T, level: int, now: float) -> None:
        """Puts a ticket at the end of its tenant's lane in `level`."""
        self._lanes[level].setdefault(ticket.tenant, Lane())[ticket] = item
        self._ages[level][ticket] = None
        ticket._level, ticket._since = level, now

    def _step_out(self, ticket: Ticket) -> T:
        """Takes a ticket out of its level; a tenant with nothing left there loses its turn."""
        lanes = self._lanes[ticket._level]
        item: T = lanes[ticket.tenant].pop(ticket)
        if not lanes[ticket.tenant]:
            del lanes[ticket.tenant]
        del self._ages[ticket._level][ticket]
        return item

    def _leave(self, ticket: Ticket) -> T:
        ticket._key = None
        self._size -= 1
        self._depth[ticket.priority] -= 1
        _wake(self._putters)
        return self._step_out(ticket)

    def _promote(self, now: float) -> None:
        """Moves what has stood in a level for `ageing` seconds one level up, from the urgent end on."""
        if self.ageing is None:
            return
        for level in range(1, self.levels):
            while self._ages[level]:
                ticket = next(iter(self._ages[level]))
                if now - ticket._since < self.ageing:
                    break
                self._stand(ticket, self._step_out(ticket), level - 1, now)
                self._promoted[ticket.priority] += 1

    async def _wait(self, waiters: Waiters, ready: Callable[[], bool]) -> None:
        """Returns in a step in which `ready()` holds. One that was woken too late waits on at the front."""
        woken = False
        while not ready():
            waiter = asyncio.get_running_loop().create_future()
            waiters[waiter] = None
            waiters.move_to_end(waiter, last=not woken)
            try:
                await waiter
            except BaseException:
                waiters.pop(waiter, None)
                # Woken and cancelled in one step: the wake-up was for an item or a place, so pass it on.
                if not waiter.cancelled() and ready():
                    _wake(waiters)
                raise
            woken = True


def _wake(waiters: Waiters) -> None:
    while waiters:
        waiter, _ = waiters.popitem(last=False)
        if not waiter.done():
            try:
                waiter.set_result(None)
            except RuntimeError:  # its loop is closed, and nobody waits there any more
                continue
            return

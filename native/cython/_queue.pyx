# cython: boundscheck=False, wraparound=False, nonecheck=False, auto_pickle=False, autotestdict=False
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""The priority queue, compiled. `xiaoer.pure.queue` is its specification.

Tickets are the nodes of intrusive lists, so that putting, taking and cancelling are O(1) without tombstones:
each stands in its tenant's lane, and where there is ageing in its level's list by age. Lanes with something in
them stand in a ring, in the order of their turns. All links are references that the garbage collector sees.
"""

import asyncio
from collections import OrderedDict
from types import GenericAlias

cimport cython
from libc.math cimport INFINITY
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free

from xiaoer.errors import QueueEmpty, QueueFull
from xiaoer.pure.queue import LevelStats

cdef extern from *:
    """
    #include <time.h>
    /* The coarse clock costs a quarter of the fine one; its few milliseconds are fine enough for waiting times. */
    #ifdef CLOCK_MONOTONIC_COARSE
    #define XIAOER_CLOCK CLOCK_MONOTONIC_COARSE
    #else
    #define XIAOER_CLOCK CLOCK_MONOTONIC
    #endif
    static inline double xiaoer_seconds(void) {
        struct timespec now;
        clock_gettime(XIAOER_CLOCK, &now);
        return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    }
    static inline int xiaoer_lowest_bit(unsigned long long bits) { return __builtin_ctzll(bits); }
    """
    double xiaoer_seconds() noexcept nogil
    int xiaoer_lowest_bit(uint64_t bits) noexcept nogil

cdef enum:
    MAX_LEVELS = 64  # the bits of `_filled`

cdef struct Counters:
    Py_ssize_t depth
    Py_ssize_t taken
    Py_ssize_t cancelled
    Py_ssize_t promoted
    double waited
    double longest

# Every queue has a number of its own; a ticket that waits carries its queue's, which keeps no queue alive.
cdef uint64_t _queues = 0


@cython.final
@cython.freelist(256)
cdef class Ticket:
    """One item's place in a queue, for `PriorityQueue.cancel`; keeps neither item nor queue alive."""

    cdef readonly Py_ssize_t priority
    cdef readonly object tenant
    cdef object item  # only while it waits
    cdef uint64_t queue  # 0: it doesn't wait any more
    cdef Py_ssize_t level
    cdef double born  # when it was put
    cdef double since  # when it came to the level where it stands
    cdef Lane lane
    cdef Ticket ahead, behind  # in the lane
    cdef Ticket older, younger  # in the level, where there is ageing

    def __init__(self, *_):
        raise TypeError("tickets are made by PriorityQueue.put")

    def __repr__(self):
        return f"<Ticket priority={self.priority} tenant={self.tenant!r}>"


@cython.final
@cython.internal
cdef class Lane:
    """What one tenant has waiting in one level. In the level's ring while there is something."""

    cdef object tenant
    cdef Ticket first, last
    cdef Lane following, preceding

    cdef inline void append(self, Ticket ticket) noexcept:
        ticket.lane = self
        ticket.ahead = self.last
        if self.last is None:
            self.first = ticket
        else:
            self.last.behind = ticket
        self.last = ticket

    cdef inline void remove(self, Ticket ticket) noexcept:
        if ticket.ahead is None:
            self.first = ticket.behind
        else:
            ticket.ahead.behind = ticket.behind
        if ticket.behind is None:
            self.last = ticket.ahead
        else:
            ticket.behind.ahead = ticket.ahead
        ticket.ahead = ticket.behind = None
        ticket.lane = None


@cython.final
@cython.internal
cdef class Level:
    """The tenants of one level in a ring, `turn` next; `lanes` finds them. All tickets by age, if asked for."""

    cdef dict lanes
    cdef Lane nobody  # of items without a tenant; the only lane that stays when it is empty
    cdef Lane turn
    cdef Ticket oldest, youngest

    def __cinit__(self):
        self.lanes = {}
        self.nobody = Lane.__new__(Lane)

    cdef inline Lane lane_of(self, object tenant):
        """Raises what hashing and comparing tenants raise."""
        cdef Lane lane
        if tenant is None:
            return self.nobody
        found = self.lanes.get(tenant)
        if found is None:
            lane = Lane.__new__(Lane)
            lane.tenant = tenant
            self.lanes[tenant] = lane
            return lane
        return <Lane>found

    cdef inline void join_ring(self, Lane lane) noexcept:
        """Its turn comes last."""
        if self.turn is None:
            self.turn = lane.following = lane.preceding = lane
            return
        lane.following = self.turn
        lane.preceding = self.turn.preceding
        lane.preceding.following = lane
        self.turn.preceding = lane

    cdef inline int leave_ring(self, Lane lane) except -1:
        if lane.following is lane:
            self.turn = None
        else:
            lane.following.preceding = lane.preceding
            lane.preceding.following = lane.following
            if self.turn is lane:
                self.turn = lane.following
        lane.following = lane.preceding = None
        if lane is not self.nobody:
            del self.lanes[lane.tenant]
        return 0

    cdef inline void append_age(self, Ticket ticket) noexcept:
        ticket.older = self.youngest
        if self.youngest is None:
            self.oldest = ticket
        else:
            self.youngest.younger = ticket
        self.youngest = ticket

    cdef inline void remove_age(self, Ticket ticket) noexcept:
        if ticket.older is None:
            self.oldest = ticket.younger
        else:
            ticket.older.younger = ticket.younger
        if ticket.younger is None:
            self.youngest = ticket.older
        else:
            ticket.younger.older = ticket.older
        ticket.older = ticket.younger = None


@cython.final
cdef class PriorityQueue:
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

    cdef readonly Py_ssize_t levels
    cdef readonly Py_ssize_t maxsize
    cdef readonly object ageing
    cdef double _ageing  # infinite: none
    cdef object _clock  # None: the system's
    cdef uint64_t _number
    cdef uint64_t _filled  # bit n: level n has something
    cdef Py_ssize_t _size
    cdef list _levels
    cdef Counters* _counters  # one for each priority
    cdef object _getters, _putters  # OrderedDict[Future, None]: those who wait, first come first

    __class_getitem__ = classmethod(GenericAlias)

    def __cinit__(self, Py_ssize_t levels=2, Py_ssize_t maxsize=0, *, ageing=None, clock=None):
        global _queues
        if not 1 <= levels <= MAX_LEVELS:
            raise ValueError(f"levels must be 1 to {MAX_LEVELS}, not {levels}")
        if maxsize < 0:
            raise ValueError(f"maxsize must be 0 (unbounded) or more, not {maxsize}")
        self._ageing = INFINITY if ageing is None else ageing
        if not self._ageing > 0:
            raise ValueError(f"ageing must be more than 0 seconds, not {ageing}")
        self._counters = <Counters*>calloc(levels, sizeof(Counters))
        if self._counters is NULL:
            raise MemoryError
        self.levels = levels
        self.maxsize = maxsize
        self.ageing = ageing
        self._clock = clock
        _queues += 1
        self._number = _queues
        self._levels = [Level.__new__(Level) for _ in range(levels)]
        self._getters = OrderedDict()
        self._putters = OrderedDict()

    def __dealloc__(self):
        free(self._counters)

    def __del__(self):
        # The lists' references go both ways; without this, items would wait for the garbage collector.
        cdef Level level
        cdef Ticket ticket
        while self._filled:
            level = <Level>self._levels[xiaoer_lowest_bit(self._filled)]
            ticket = level.turn.first
            self._step_out(ticket)
            ticket.queue = 0
            ticket.item = None

    def put_nowait(self, item, Py_ssize_t priority=1, tenant=None):
        """Puts `item` in and returns its ticket.

        `priority` is 0 to `levels - 1`, lower is more urgent; where there is one level, 1 means it too.

        Raises:
            QueueFull: `maxsize` items wait already.
            ValueError: There is no such level.
        """
        cdef Py_ssize_t level = self._level_of(priority)
        if not self._has_room():
            raise QueueFull(f"{self._size} items wait already")
        cdef Ticket ticket = Ticket.__new__(Ticket)
        ticket.priority = level
        ticket.tenant = tenant
        ticket.item = item
        ticket.born = self._now()
        self._stand(ticket, level, ticket.born)
        ticket.queue = self._number
        self._size += 1
        self._counters[level].depth += 1
        if self._getters:
            _wake(self._getters)
        return ticket

    def get_nowait(self):
        """Takes the most urgent item.

        Raises:
            QueueEmpty: Nothing waits.
        """
        if not self._size:
            raise QueueEmpty("nothing waits")
        return self._take()

    async def put(self, item, Py_ssize_t priority=1, tenant=None):
        """Like `put_nowait`, but waits for room where `maxsize` items wait."""
        self._level_of(priority)
        hash(tenant)  # whatever can fail must fail before a place is waited for
        if not self._has_room():
            await _wait(self, self._putters)
        return self.put_nowait(item, priority, tenant)

    async def get(self):
        """Like `get_nowait`, but waits for an item."""
        if not self._size:
            await _wait(self, self._getters)
        return self._take()

    async def get_many(self, Py_ssize_t n):
        """Waits for at least one item and takes up to `n`, with one wake-up for all of them.

        Raises:
            ValueError: `n` is less than 1.
        """
        if n < 1:
            raise ValueError(f"n must be 1 or more, not {n}")
        if not self._size:
            await _wait(self, self._getters)
        cdef list items = []
        while self._size and len(items) < n:
            items.append(self._take())
        return items

    def cancel(self, Ticket ticket not None):
        """Takes the ticket's item out, in O(1), and lets go of it. False where it has left already."""
        if ticket.queue != self._number:
            return False
        self._counters[ticket.priority].cancelled += 1
        self._leave(ticket)
        return True

    def qsize(self, priority=None):
        """How many items wait, in all or of those put with `priority`."""
        if priority is None:
            return self._size
        return self._counters[self._level_of(priority)].depth

    def stats(self):
        """Counters since the queue was made, one for each priority, by the priority an item was put with."""
        cdef Py_ssize_t i
        cdef list rows = []
        for i in range(self.levels):
            counters = self._counters[i]
            rows.append(
                LevelStats(
                    counters.depth,
                    counters.taken,
                    counters.cancelled,
                    counters.promoted,
                    counters.waited,
                    counters.longest,
                )
            )
        return rows

    cdef inline bint _has_room(self) noexcept:
        return not self.maxsize or self._size < self.maxsize

    cdef inline Py_ssize_t _level_of(self, Py_ssize_t priority) except -1:
        if 0 <= priority < self.levels:
            return priority
        if priority == self.levels == 1:
            return 0
        raise ValueError(f"priority must be 0 to {self.levels - 1}, not {priority}")

    cdef inline double _now(self) except? -1.0:
        return xiaoer_seconds() if self._clock is None else self._clock()

    cdef inline int _stand(self, Ticket ticket, Py_ssize_t number, double now) except -1:
        """Puts a ticket at the end of its tenant's lane in a level."""
        cdef Level level = <Level>self._levels[number]
        cdef Lane lane = level.lane_of(ticket.tenant)
        if lane.first is None:
            level.join_ring(lane)
            self._filled |= <uint64_t>1 << number
        lane.append(ticket)
        if self.ageing is not None:
            level.append_age(ticket)
        ticket.level = number
        ticket.since = now
        return 0

    cdef inline object _step_out(self, Ticket ticket):
        """Takes a ticket out of its level; a tenant with nothing left there loses its turn."""
        cdef Level level = <Level>self._levels[ticket.level]
        cdef Lane lane = ticket.lane
        lane.remove(ticket)
        if lane.first is None:
            level.leave_ring(lane)
            if level.turn is None:
                self._filled &= ~(<uint64_t>1 << ticket.level)
        if self.ageing is not None:
            level.remove_age(ticket)
        return None

    cdef inline object _leave(self, Ticket ticket):
        ticket.queue = 0
        self._size -= 1
        self._counters[ticket.priority].depth -= 1
        if self._putters:
            _wake(self._putters)
        self._step_out(ticket)
        item = ticket.item
        ticket.item = None
        return item

    cdef object _take(self):
        """The next item; there is one."""
        cdef double now = self._now()
        cdef double waited
        cdef Level level
        cdef Ticket ticket
        cdef Counters* counters
        if self.ageing is not None:
            self._promote(now)
        level = <Level>self._levels[xiaoer_lowest_bit(self._filled)]
        ticket = level.turn.first
        level.turn = level.turn.following
        counters = &self._counters[ticket.priority]
        waited = now - ticket.born
        counters.taken += 1
        counters.waited += waited
        counters.longest = max(waited, counters.longest)
        return self._leave(ticket)

    cdef int _promote(self, double now) except -1:
        """Moves what has stood in a level for `ageing` seconds one level up, from the urgent end on."""
        cdef Py_ssize_t number
        cdef Level level
        cdef Ticket ticket
        for number in range(1, self.levels):
            level = <Level>self._levels[number]
            while level.oldest is not None:
                ticket = level.oldest
                if now - ticket.since < self._ageing:
                    break
                self._step_out(ticket)
                self._stand(ticket, number - 1, now)
                self._counters[ticket.priority].promoted += 1
        return 0


async def _wait(PriorityQueue queue, waiters):
    """Returns in a step in which there is an item, or room. One that was woken too late waits on at the front."""
    cdef bint woken = False
    cdef bint putting = waiters is queue._putters
    while not (queue._has_room() if putting else queue._size):
        waiter = asyncio.get_running_loop().create_future()
        waiters[waiter] = None
        waiters.move_to_end(waiter, last=not woken)
        try:
            await waiter
        except BaseException:
            waiters.pop(waiter, None)
            # Woken and cancelled in one step: the wake-up was for an item or a place, so pass it on.
            if not waiter.cancelled() and (queue._has_room() if putting else queue._size):
                _wake(waiters)
            raise
        woken = True


cdef int _wake(waiters) except -1:
    while waiters:
        waiter, _ = waiters.popitem(last=False)
        if not waiter.done():
            waiter.set_result(None)
            break
    return 0

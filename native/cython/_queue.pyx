# cython: boundscheck=False, wraparound=False, nonecheck=False, auto_pickle=False, autotestdict=False
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""The priority queue, compiled. `xiaoer.pure.queue` is its specification.

Tickets are the nodes of intrusive lists (queue_lists.pxd), so that putting, taking and cancelling are O(1) without
tombstones: each stands in its tenant's lane, and where there is ageing in its level's list by age. Lanes with
something in them stand in a ring, in the order of their turns. The links are plain pointers; the garbage collector
learns of them from `_traverse`, and the tickets themselves are nothing that it has to look at.

Whatever may run somebody's code (clock, hash and equality of a tenant) runs before the lists are touched; whatever
may run it while something leaves (the end of an item or of a tenant) comes when the lists are in order again.
"""

import asyncio
from collections import OrderedDict
from types import GenericAlias

cimport cython
from cpython.dict cimport PyDict_GetItemWithError, PyDict_SetDefault
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF
from libc.math cimport INFINITY
from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free
from queue_lists cimport Lane, Level, Node, append, append_age, join, leave, remove, remove_age, ticket_of

from xiaoer.errors import QueueEmpty, QueueFull
from xiaoer.pure.queue import LevelStats

cdef extern from *:
    """
    #include <time.h>
    /* The coarse clock costs an eighth of the fine one; its few milliseconds are fine enough for waiting times. */
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
    /* For Cython: the reference that the pointer stands for is now the variable's. */
    static inline PyObject *xiaoer_own(PyObject *thing) { return thing; }
    /* Slots that Cython has no words for. */
    static inline void xiaoer_set_gc(PyObject *type, traverseproc traverse, inquiry clear) {
        ((PyTypeObject *)type)->tp_traverse = traverse;
        ((PyTypeObject *)type)->tp_clear = clear;
    }
    static inline traverseproc xiaoer_traverse_of(PyObject *type) { return ((PyTypeObject *)type)->tp_traverse; }
    static inline destructor xiaoer_swap_dealloc(PyObject *type, destructor dealloc) {
        destructor before = ((PyTypeObject *)type)->tp_dealloc;
        ((PyTypeObject *)type)->tp_dealloc = dealloc;
        return before;
    }
    /* Nobody subclasses it from now on: instances of a subclass would get among the free tickets. */
    static inline destructor xiaoer_seal(PyObject *type, destructor before) {
        ((PyTypeObject *)type)->tp_flags &= ~(unsigned long)Py_TPFLAGS_BASETYPE;
        PyType_Modified((PyTypeObject *)type);
        return before;
    }
    static PyObject *xiaoer_no_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
        (void)type; (void)args; (void)keywords;
        PyErr_SetString(PyExc_TypeError, "tickets are made by PriorityQueue.put");
        return NULL;
    }
    /* Cython's own `Type.__new__(Type)` calls its function, not the slot. */
    static inline void xiaoer_refuse_new(PyObject *type) { ((PyTypeObject *)type)->tp_new = xiaoer_no_new; }
    """
    ctypedef int (*visitproc)(PyObject*, void*) noexcept
    ctypedef int (*traverseproc)(PyObject*, visitproc, void*) noexcept
    ctypedef int (*inquiry)(PyObject*) noexcept
    ctypedef void (*destructor)(PyObject*) noexcept
    destructor xiaoer_swap_dealloc(object type, destructor dealloc) noexcept
    destructor xiaoer_seal(object type, destructor before) noexcept
    void xiaoer_refuse_new(object type) noexcept
    PyObject* Py_TYPE "(PyObject *)Py_TYPE" (PyObject*) noexcept
    void Py_SET_REFCNT(PyObject*, Py_ssize_t) noexcept
    object xiaoer_own(PyObject* thing) noexcept
    double xiaoer_seconds() noexcept nogil
    int xiaoer_lowest_bit(uint64_t bits) noexcept nogil
    void xiaoer_set_gc(object type, traverseproc traverse, inquiry clear) noexcept
    traverseproc xiaoer_traverse_of(object type) noexcept
    bint PyObject_IS_GC(object thing) noexcept
    Py_ssize_t PyDict_GET_SIZE(object mapping) noexcept

cdef enum:
    MAX_LEVELS = 64  # the bits of `_filled`
    FREE_TICKETS = 1024  # 120 KB
    IDLE_LANES = 16  # kept in each level for tenants that come back

# Every queue has a number of its own; a ticket that waits carries its queue's, which keeps no queue alive.
cdef uint64_t _queues = 0


@cython.no_gc
cdef class Ticket:
    """One item's place in a queue, for `PriorityQueue.cancel`; keeps neither item nor queue alive."""

    cdef Node node

    def __init__(self, *_):
        raise TypeError("tickets are made by PriorityQueue.put")

    @property
    def priority(self):
        return self.node.priority

    @property
    def tenant(self):
        if type(self) is TracedTicket:
            return (<TracedTicket>self).held
        return None if self.node.tenant is NULL else <object>self.node.tenant

    def __repr__(self):
        return f"<Ticket priority={self.priority} tenant={self.tenant!r}>"


@cython.final
@cython.internal
cdef class TracedTicket(Ticket):
    """For a tenant that might refer to its ticket: the garbage collector looks at these."""

    cdef object held


@cython.final
@cython.internal
@cython.freelist(64)
@cython.no_gc
cdef class LaneOwner:
    """A lane as an object, for the dict of its level. The queue shows its tenant to the garbage collector."""

    cdef Lane lane
    cdef object tenant


# Tickets that have ended, to be used again. Cython's own free list would clear every field once more.
cdef PyObject* _free[FREE_TICKETS]
cdef Py_ssize_t _frees = 0


cdef inline Ticket _new_ticket(object tenant):
    """One that waits nowhere. Of its node, only `tenant` and `queue` are set."""
    global _frees
    if not _frees or not (tenant is None or type(tenant) is str):
        return _rare_ticket(tenant)
    _frees -= 1
    Py_SET_REFCNT(_free[_frees], 1)
    ticket = <Ticket>xiaoer_own(_free[_frees])
    ticket.node.tenant = NULL
    if tenant is not None:
        Py_INCREF(tenant)
        ticket.node.tenant = <PyObject*>tenant
    return ticket


cdef Ticket _rare_ticket(object tenant):
    if PyObject_IS_GC(tenant):
        traced = <TracedTicket>TracedTicket.__new__(TracedTicket)
        traced.held = tenant
        return traced
    ticket = <Ticket>Ticket.__new__(Ticket)
    if tenant is not None:
        Py_INCREF(tenant)
        ticket.node.tenant = <PyObject*>tenant
    return ticket


cdef void _end_ticket(PyObject* ticket) noexcept:
    """In place of Cython's `tp_dealloc`; not called for traced tickets."""
    global _frees
    cdef Node* node = &(<Ticket>ticket).node
    if node.tenant is not NULL:
        Py_DECREF(<object>node.tenant)
    if _frees < FREE_TICKETS and Py_TYPE(ticket) is <PyObject*>Ticket:
        _free[_frees] = ticket
        _frees += 1
    else:
        _dealloc_ticket(ticket)


cdef destructor _dealloc_ticket = xiaoer_seal(Ticket, xiaoer_swap_dealloc(Ticket, _end_ticket))
xiaoer_refuse_new(Ticket)
xiaoer_refuse_new(TracedTicket)


@cython.final
@cython.no_gc_clear  # `_clear` does it
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
    cdef double _due  # nothing has to be promoted before; infinite: nothing at all
    cdef object _clock  # None: the system's
    cdef uint64_t _number
    cdef uint64_t _filled  # bit n: level n has something
    cdef Py_ssize_t _size
    cdef Level* _levels
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
        self._due = INFINITY
        self._getters = OrderedDict()
        self._putters = OrderedDict()
        self._levels = <Level*>calloc(levels, sizeof(Level))
        if self._levels is NULL:
            raise MemoryError
        self.levels = levels
        self.maxsize = maxsize
        self.ageing = ageing
        self._clock = clock
        _queues += 1
        self._number = _queues

    def __dealloc__(self):
        cdef Py_ssize_t number
        cdef Level* level
        cdef Lane* lane
        if self._levels is NULL:
            return
        self._drop_all()
        for number in range(self.levels):
            level = &self._levels[number]
            while level.idle is not NULL:
                lane = level.idle
                leave(&level.idle, lane)
                Py_DECREF(<object>lane.owner)
            Py_XDECREF(level.lanes)
        free(self._levels)

    def put_nowait(self, item, Py_ssize_t priority=1, tenant=None):
        """Puts `item` in and returns its ticket.

        `priority` is 0 to `levels - 1`, lower is more urgent; where there is one level, 1 means it too.

        Raises:
            QueueFull: `maxsize` items wait already.
            ValueError: There is no such level.
        """
        cdef Py_ssize_t level = self._level_of(priority)
        if not self._has_room():
            self._full()
        cdef double now = self._now()
        cdef Ticket ticket = _new_ticket(tenant)
        # Last, because what it finds lasts only as long as no other code runs.
        cdef Lane* lane = self._lane_of(&self._levels[level], tenant)
        if not self._has_room():  # any more: clock or tenants have put something
            self._drop_unused(&self._levels[level], lane)
            self._full()
        cdef Node* node = &ticket.node
        Py_INCREF(ticket)
        Py_INCREF(item)
        node.item = <PyObject*>item
        node.queue = self._number
        node.priority = level
        node.born = now
        self._stand(node, lane, level, now)
        self._size += 1
        self._levels[level].depth += 1
        if PyDict_GET_SIZE(self._getters):
            _wake(self._getters)
        return ticket

    @cython.always_allow_keywords(False)  # a bare METH_NOARGS
    def get_nowait(self):
        """Takes the most urgent item.

        Raises:
            QueueEmpty: Nothing waits.
        """
        return self._take(self._prepare())

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
        return self._take(self._prepare())

    async def get_many(self, Py_ssize_t n):
        """Waits for at least one item and takes up to `n`, with one wake-up for all of them.

        Raises:
            ValueError: `n` is less than 1.
        """
        if n < 1:
            raise ValueError(f"n must be 1 or more, not {n}")
        if not self._size:
            await _wait(self, self._getters)
        cdef double now = self._prepare()
        cdef list items = []
        cdef Py_ssize_t left = min(n, self._size)
        while left and self._filled:  # the end of a tenant may have taken some
            items.append(self._take(now))
            left -= 1
        return items

    def cancel(self, Ticket ticket not None):
        """Takes the ticket's item out, in O(1), and lets go of it. False where it has left already."""
        if ticket.node.queue != self._number:
            return False
        self._levels[ticket.node.priority].cancelled += 1
        item = self._leave(&ticket.node)
        if PyDict_GET_SIZE(self._putters):
            _wake(self._putters)
        return True

    def qsize(self, priority=None):
        """How many items wait, in all or of those put with `priority`."""
        if priority is None:
            return self._size
        return self._levels[self._level_of(priority)].depth

    def stats(self):
        """Counters since the queue was made, one for each priority, by the priority an item was put with."""
        cdef Py_ssize_t number
        cdef Level* level
        cdef list rows = []
        for number in range(self.levels):
            level = &self._levels[number]
            rows.append(
                LevelStats(level.depth, level.taken, level.cancelled, level.promoted, level.waited, level.longest)
            )
        return rows

    cdef inline bint _has_room(self) noexcept:
        return not self.maxsize or self._size < self.maxsize

    cdef inline Py_ssize_t _level_of(self, Py_ssize_t priority) except -1:
        if 0 <= priority < self.levels:
            return priority
        return self._odd_level(priority)

    # What seldom runs is in functions of its own, so that the compiler puts the rest in line.

    cdef Py_ssize_t _odd_level(self, Py_ssize_t priority) except -1:
        if priority == self.levels == 1:
            return 0
        raise ValueError(f"priority must be 0 to {self.levels - 1}, not {priority}")

    cdef int _full(self) except -1:
        raise QueueFull(f"{self._size} items wait already")

    cdef int _empty(self) except -1:
        raise QueueEmpty("nothing waits")

    cdef inline double _now(self) except? -1.0:
        return xiaoer_seconds() if self._clock is None else self._ask_clock()

    cdef double _ask_clock(self) except? -1.0:
        return self._clock()

    cdef inline Lane* _lane_of(self, Level* level, object tenant) except NULL:
        """The tenant's lane, made where there is none; in the ring or ready to join it."""
        if tenant is None:
            return &level.nobody
        if level.recent is not NULL and level.recent.tenant is <PyObject*>tenant:
            return level.recent
        return self._look_up(level, tenant)

    cdef Lane* _look_up(self, Level* level, object tenant) except NULL:
        """Raises what hashing and comparing tenants raise."""
        cdef PyObject* found
        cdef LaneOwner owner
        if level.lanes is NULL:
            lanes = {}
            if level.lanes is NULL:  # still: making one may have started the garbage collector
                Py_INCREF(lanes)
                level.lanes = <PyObject*>lanes
        found = PyDict_GetItemWithError(<object>level.lanes, tenant)
        if found is NULL:
            owner = LaneOwner.__new__(LaneOwner)
            owner.tenant = tenant
            owner.lane.tenant = <PyObject*>tenant
            owner.lane.owner = <PyObject*>owner
            # One step: comparing may have put an equal tenant in since the search.
            found = PyDict_SetDefault(<object>level.lanes, tenant, owner)
        level.recent = &(<LaneOwner>found).lane
        return level.recent

    cdef inline void _stand(self, Node* node, Lane* lane, Py_ssize_t number, double now) noexcept:
        """Puts a node at the end of a lane of a level."""
        cdef Level* level = &self._levels[number]
        if lane.first is NULL:
            if lane.following is not NULL:
                leave(&level.idle, lane)
                level.idlers -= 1
            elif lane.owner is not NULL:
                Py_INCREF(<object>lane.owner)
            join(&level.turn, lane)
            self._filled |= <uint64_t>1 << number
        append(lane, node)
        node.level = number
        node.since = now
        if self._ageing != INFINITY:
            append_age(level, node)
            if number:
                self._due = min(self._due, self._due_time(now))

    cdef inline double _due_time(self, double since) noexcept:
        """Not after the time at which `_promote` would move something, however that is rounded."""
        return since + 0.999 * self._ageing

    cdef inline Lane* _unlink(self, Node* node) noexcept:
        """Takes a node out of its level; gives its lane, if that has to retire now."""
        cdef Level* level = &self._levels[node.level]
        cdef Lane* lane = node.lane
        if self._ageing != INFINITY:
            remove_age(level, node)
        remove(lane, node)
        if lane.first is not NULL:
            return NULL
        leave(&level.turn, lane)
        if level.turn is NULL:
            self._filled &= ~(<uint64_t>1 << node.level)
        return NULL if lane.owner is NULL else lane

    cdef void _retire(self, Level* level, Lane* lane) noexcept:
        """For the lane of a tenant that has nothing left, just out of the ring, with the ring's reference to it.

        Most tenants come back, so the lanes of a handful are kept; but only of those that are plain strings,
        which hold nothing else alive. The others are forgotten at once.
        """
        if type(<object>lane.tenant) is str:
            join(&level.idle, lane)
            if level.idlers < IDLE_LANES:
                level.idlers += 1
                return
            lane = level.idle
            leave(&level.idle, lane)
        if level.recent is lane:
            level.recent = NULL
        owner = <LaneOwner>lane.owner
        Py_DECREF(owner)
        _forget(<dict>level.lanes, owner)

    cdef inline object _leave(self, Node* node):
        """Takes a node out of the queue and gives its item."""
        cdef Lane* empty = self._unlink(node)
        item = xiaoer_own(node.item)
        ticket = xiaoer_own(ticket_of(node))  # may end with this function, and the node with it
        node.queue = 0
        node.item = NULL
        self._size -= 1
        self._levels[node.priority].depth -= 1
        if empty is not NULL:
            self._retire(&self._levels[node.level], empty)
        return item

    cdef inline double _prepare(self) except? -1.0:
        """Does all of taking items that can fail; after it there is one. Gives the time."""
        cdef double now
        if not self._size:
            self._empty()
        now = self._now()
        if now >= self._due:
            self._promote(now)
        if not self._filled:  # by what the clock or the tenants have done
            self._empty()
        return now

    cdef inline object _take(self, double now):
        """The next item; there is one."""
        cdef Level* level = &self._levels[xiaoer_lowest_bit(self._filled)]
        cdef Node* node = level.turn.first
        level.turn = level.turn.following
        level = &self._levels[node.priority]
        cdef double waited = now - node.born
        level.taken += 1
        level.waited += waited
        if waited > level.longest:
            level.longest = waited
        item = self._leave(node)
        if PyDict_GET_SIZE(self._putters):
            _wake(self._putters)
        return item

    cdef int _promote(self, double now) except -1:
        """Moves what has stood in a level for `ageing` seconds one level up, from the urgent end on."""
        cdef Py_ssize_t number
        cdef Level* level
        cdef Level* upper
        cdef Lane* lane
        cdef Lane* empty
        cdef Node* node
        for number in range(1, self.levels):
            level = &self._levels[number]
            upper = &self._levels[number - 1]
            while level.oldest is not NULL and now - level.oldest.since >= self._ageing:
                node = level.oldest
                lane = &upper.nobody
                if node.lane.owner is not NULL:
                    tenant = <object>node.lane.tenant
                    lane = self._lane_of(upper, tenant)
                    if level.oldest is not node or node.lane.tenant is not <PyObject*>tenant:
                        # Comparing tenants ran code that used this queue.
                        self._drop_unused(upper, lane)
                        continue
                empty = self._unlink(node)
                self._stand(node, lane, number - 1, now)
                self._levels[node.priority].promoted += 1
                if empty is not NULL:
                    self._retire(level, empty)
        self._due = INFINITY
        for number in range(1, self.levels):
            if self._levels[number].oldest is not NULL:
                self._due = min(self._due, self._due_time(self._levels[number].oldest.since))
        return 0

    cdef void _drop_unused(self, Level* level, Lane* lane) noexcept:
        if lane.following is NULL and lane.owner is not NULL:
            Py_INCREF(<object>lane.owner)
            self._retire(level, lane)

    cdef void _drop_all(self) noexcept:
        """What is there now, and no more than that: the end of an item may put another one, and so on."""
        cdef Level* level
        cdef Py_ssize_t left = self._size
        while left and self._filled:
            left -= 1
            level = &self._levels[xiaoer_lowest_bit(self._filled)]
            self._leave(level.turn.first)


cdef void _forget(dict lanes, LaneOwner owner) noexcept:
    """Whoever takes an item must get it: a tenant that can no longer be hashed or compared stays known instead."""
    try:
        # Comparing tenants may put an item for this one meanwhile: then the lane is in use again.
        if PyDict_GetItemWithError(lanes, owner.tenant) is <PyObject*>owner and owner.lane.first is NULL:
            del lanes[owner.tenant]
            if owner.lane.first is not NULL:  # or while it was deleted
                PyDict_SetDefault(lanes, owner.tenant, owner)
    except Exception:
        pass


cdef traverseproc _traverse_fields = xiaoer_traverse_of(PriorityQueue)


cdef int _traverse(PyObject* self, visitproc visit, void* arg) noexcept:
    """Shows the garbage collector what the queue holds by plain pointers."""
    cdef Level* level
    cdef Lane* lane
    cdef Node* node
    cdef Py_ssize_t number
    cdef int stop = _traverse_fields(self, visit, arg)
    if stop or (<PriorityQueue>self)._levels is NULL:
        return stop
    for number in range((<PriorityQueue>self).levels):
        level = &(<PriorityQueue>self)._levels[number]
        if level.lanes is not NULL:
            stop = visit(level.lanes, arg)
            if stop:
                return stop
        lane = level.turn
        while lane is not NULL:
            stop = 0 if lane.owner is NULL else visit(lane.tenant, arg)
            node = lane.first
            while node is not NULL and not stop:
                stop = visit(ticket_of(node), arg) or visit(node.item, arg)
                node = node.behind
            if stop:
                return stop
            lane = NULL if lane.following is level.turn else lane.following
    return 0


cdef int _clear(PyObject* self) noexcept:
    queue = <PriorityQueue>self
    queue._clock = None
    if queue._levels is not NULL:
        queue._drop_all()
    return 0


xiaoer_set_gc(PriorityQueue, _traverse, _clear)


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


cdef void _wake(waiters) noexcept:
    while waiters:
        waiter, _ = waiters.popitem(last=False)
        if not waiter.done():
            try:
                waiter.set_result(None)
            except RuntimeError:  # its loop is closed, and nobody waits there any more
                continue
            break

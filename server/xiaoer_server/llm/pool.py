"""A pool of upstream connections that grows and shrinks with the load.

`try_take` and `release` are the hot path: no task, no timer, no clock. Who finds nothing idle waits with `take`, which
evaluates the size at once; besides, one timer evaluates it every quarter of a second. The size follows
`autoscaler.by_load` (connections still connecting are the replicas that are not ready) and `autoscaler_behaviour`; two
rules are added to those of Kubernetes, because here a caller waits behind every replica that is missing:

- whoever waits gets a connection opened within the rate policies and the maximum, also where the tolerance of the rule
  would leave the size as it is;
- the load of an evaluation is the highest since the one before, so that no short peak is missed.

Connects run side by side. One that fails is told to one waiter, and the next try, a single one, comes after a pause
that doubles up to a second. When the last try has failed and no connection is left, all waiters are told: nobody waits
for an upstream that is gone. `connect` has to end by itself, so it needs a time-out of its own.

Connections are taken most recently used first, so those at the other end grow old and are closed, oldest first, when
they are more than desired. With `slots` > 1 the least loaded one is taken; a surplus one that is busy gets no more
calls and is closed after its last one.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from xiaoer.queue import PriorityQueue, Ticket

from .pool_policy import PoolClosed, Pooled, PoolFull, PoolPolicy

__all__ = ["Pool", "PoolClosed", "PoolFull", "PoolPolicy", "Pooled", "Waiter"]

#: Seconds between two evaluations while nobody waits.
EVALUATION = 0.25
#: The pause after a failed connect: the first one and the longest, in seconds; up to a half is taken off at random.
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
#: Urgencies of waiters, 0 is the most urgent; who has waited `AGEING` seconds moves up by one.
LEVELS, AGEING = 4, 2.0


C = TypeVar("C", bound=Pooled)


class Waiter(Generic[C]):
    """A place in the queue of a pool."""

    __slots__ = ("_pool", "_ready", "_ticket")

    def __init__(self, pool: Pool[C], ready: Callable[[C | None, Exception | None], None]) -> None:
        self._pool = pool
        self._ready: Callable[[C | None, Exception | None], None] | None = ready
        self._ticket: Ticket | None = None

    @property
    def done(self) -> bool:
        """Whether `ready` was called or will never be, after `cancel`."""
        return self._ready is None

    def cancel(self) -> bool:
        """Leaves the queue in O(1). False where `ready` was called already."""
        if self._ready is None or self._ticket is None:
            return False
        self._ready = None
        self._pool._leave(self._ticket)
        return True

    def _tell(self, connection: C | None, error: Exception | None) -> None:
        ready, self._ready = self._ready, None
        assert ready is not None
        ready(connection, error)


class Pool(Generic[C]):
    """Connections to one upstream, for the tasks and callbacks of one event loop.

    Args:
        name: For messages and metrics.
        connect: Opens one connection, or raises; has a time-out of its own.
        policy: See `PoolPolicy`.
        clock: Seconds that never go back; the loop's own by default.
        chance: A number from 0 to 1, for the length of a pause.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Awaitable[C]],
        policy: PoolPolicy,
        *,
        clock: Callable[[], float] | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.policy = policy
        self._connect = connect
        self._clock = clock
        self._chance = chance
        self._behaviour = policy.behaviour()
        self._one = policy.slots == 1
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._now = 0.0  # of the last evaluation; near enough for the age of an idle connection
        # Every open connection and the calls that it carries; those without a call, oldest first, with the time since
        # when; and, with slots, those that can carry one more, by the number they carry (0 is `_idle`).
        self._load: dict[C, int] = {}
        self._idle: dict[C, float] = {}
        self._free: list[dict[C, float]] = [self._idle, *({} for _ in range(policy.slots - 1))]
        self._retired: dict[C, None] = {}  # busy ones that get no more calls
        self._calls = 0
        self._peak = 0  # of `_calls`, since the last evaluation
        self._attempts: dict[asyncio.Task[C], float] = {}
        self._queue: PriorityQueue[Waiter[C]] = PriorityQueue(LEVELS, ageing=AGEING, clock=self._time)
        self._waiting = 0
        self._desired = policy.minimum
        self._dispatching = False
        self._held_back = False  # the last evaluation wanted more than it may have now
        self._failures = 0  # rounds of tries in a row
        self._paused_since = -math.inf
        self._next_try = -math.inf

    # -- what the outside sees --------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Open connections."""
        return len(self._load)

    @property
    def in_use(self) -> int:
        """Calls under way; with one slot that is the number of busy connections."""
        return self._calls

    @property
    def idle(self) -> int:
        """Open connections without a call."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """Callers that wait for a connection."""
        return self._waiting

    @property
    def connecting(self) -> int:
        """Connections that are being opened."""
        return len(self._attempts)

    @property
    def desired(self) -> int:
        """The size that the last evaluation decided on."""
        return self._desired

    def start(self) -> None:
        """Opens `minimum` connections and starts the timer; needs a running loop. Once, or never: `take` does it."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._clock = self._clock or self._loop.time
            self._tick()

    # -- the hot path -----------------------------------------------------------------------------------------

    def try_take(self) -> C | None:
        """A connection that can be used at once, or None; whoever waits comes first."""
        if self._waiting:
            return None
        if self._one and (idle := self._idle):
            connection, since = idle.popitem()
            if connection.usable:
                self._load[connection] = 1
                self._calls = calls = self._calls + 1
                if calls > self._peak:
                    self._peak = calls
                return connection
            idle[connection] = since
        return self._pick()

    def release(self, connection: C) -> None:
        """Gives a connection back after its call. The first waiter gets it if it is usable, else it is dropped.

        Raises:
            ValueError: The connection carries no call of this pool.
        """
        load = self._load.get(connection)
        if self._one and load and connection.usable and not self._waiting and not self._closed:
            self._load[connection] = 0
            self._idle[connection] = self._now
            self._calls -= 1
            return
        if not load:
            raise ValueError("released a connection that was not taken")
        self._put_back(connection, load)

    # -- waiting ----------------------------------------------------------------------------------------------

    def take(
        self, ready: Callable[[C | None, Exception | None], None], *, tenant: str = "", priority: int = 1
    ) -> Waiter[C]:
        """Calls `ready` exactly once, maybe at once, with a connection or an error, unless the waiter is cancelled.

        `priority` is 0 (the most urgent) to 3; in a priority tenants take turns. The error is that of a failed
        connect, or `PoolClosed`. A `ready` that raises loses its connection.

        Raises:
            PoolFull: `waiting_max` wait already.
        """
        waiter: Waiter[C] = Waiter(self, ready)
        if self._closed:
            waiter._tell(None, PoolClosed(f"the pool {self.name} is closed"))
            return waiter
        if self._loop is None:
            self.start()
        if not self._waiting:
            connection = self._pick()
            if connection is not None:
                self._hand(waiter, connection)
                return waiter
        if self._waiting >= self.policy.waiting_max:
            raise PoolFull(f"{self._waiting} wait for a connection to {self.name} already")
        waiter._ticket = self._queue.put_nowait(waiter, priority, tenant)
        self._waiting += 1
        self._grow()
        return waiter

    async def acquire(self, *, tenant: str = "", priority: int = 1) -> C:
        """`take` for tasks; a task that is cancelled gives back what it was about to get.

        Raises:
            PoolFull, PoolClosed: See `take`.
            Exception: Whatever a failed connect raised.
        """
        connection = self.try_take()
        if connection is not None:
            return connection
        future: asyncio.Future[C] = asyncio.get_running_loop().create_future()

        def ready(connection: C | None, error: Exception | None) -> None:
            if future.done():  # the task was cancelled and has not come round to leave the queue
                if connection is not None:
                    self.release(connection)
            elif connection is not None:
                future.set_result(connection)
            else:
                # One error may be told to many tasks, and each would lengthen its traceback.
                future.set_exception((error or PoolClosed(self.name)).with_traceback(None))

        waiter = self.take(ready, tenant=tenant, priority=priority)
        try:
            return await future
        except asyncio.CancelledError:
            if not waiter.cancel() and future.done() and not future.cancelled() and future.exception() is None:
                self.release(future.result())
            raise

    async def close(self) -> None:
        """Tells all waiters, stops connecting and closes what is idle; a busy one is closed when it is released."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        attempts = list(self._attempts)
        for attempt in attempts:
            attempt.cancel()
        self._tell_all(PoolClosed(f"the pool {self.name} is closed"))
        for connection in list(self._idle):
            self._drop(connection)
        for free in self._free[1:]:
            self._retired.update(dict.fromkeys(free))
            free.clear()
        if attempts:
            await asyncio.wait(attempts)

    # -- connections ------------------------------------------------------------------------------------------

    def _pick(self) -> C | None:
        """The least loaded usable connection, with one more call on it; drops the broken ones on its way."""
        for load, free in enumerate(self._free):
            while free:
                connection, _ = free.popitem()
                if connection.usable:
                    self._load[connection] = load = load + 1
                    if load < self.policy.slots:
                        self._free[load][connection] = self._now
                    self._calls = calls = self._calls + 1
                    if calls > self._peak:
                        self._peak = calls
                    return connection
                if load:
                    self._retired[connection] = None
                else:
                    self._forget(connection)
        return None

    def _put_back(self, connection: C, load: int) -> None:
        self._calls -= 1
        self._load[connection] = left = load - 1
        if connection in self._retired:
            if not left:
                self._drop(connection)
        else:
            if load < self.policy.slots:
                del self._free[load][connection]
            if not connection.usable or self._closed:
                if left:
                    self._retired[connection] = None
                else:
                    self._drop(connection)
            else:
                self._free[left][connection] = self._now
        if self._waiting:
            self._dispatch()

    def _forget(self, connection: C) -> None:
        del self._load[connection]
        self._retired.pop(connection, None)
        self._held_back = False
        connection.close()

    def _drop(self, connection: C) -> None:
        self._idle.pop(connection, None)
        self._forget(connection)

    def _hand(self, waiter: Waiter[C], connection: C) -> None:
        """Calls back with a connection. One whose receiver failed is in a state that nobody knows, so it is closed."""
        carried = self._load[connection]
        try:
            waiter._tell(connection, None)
        except BaseException as error:
            load = self._load.get(connection)
            if load and load == carried:
                if load < self.policy.slots:
                    self._free[load].pop(connection, None)
                self._retired[connection] = None
                self._put_back(connection, load)
            self._report(error)

    def _refuse(self, waiter: Waiter[C], error: Exception) -> None:
        try:
            waiter._tell(None, error)
        except BaseException as failure:
            self._report(failure)

    def _report(self, error: BaseException) -> None:
        if not isinstance(error, Exception):
            raise error
        assert self._loop is not None
        message = f"a waiter of the pool {self.name} failed"
        self._loop.call_exception_handler({"message": message, "exception": error})

    # -- waiters ----------------------------------------------------------------------------------------------

    def _next_waiter(self) -> Waiter[C]:
        waiter = self._queue.get_nowait()
        self._waiting -= 1
        return waiter

    def _leave(self, ticket: Ticket) -> None:
        if self._queue.cancel(ticket):
            self._waiting -= 1

    def _dispatch(self) -> None:
        """Gives free connections to waiters. A receiver that releases at once comes back to this very loop."""
        if self._dispatching:
            return
        self._dispatching = True
        try:
            while self._waiting:
                connection = self._pick()
                if connection is None:
                    break
                self._hand(self._next_waiter(), connection)
        finally:
            self._dispatching = False
        if self._waiting:
            self._grow()

    def _tell_all(self, error: Exception) -> None:
        # Only those who wait now: one who asks again at once waits for the next try.
        for waiter in [self._next_waiter() for _ in range(self._waiting)]:
            if not waiter.done:  # one told before may have cancelled this one
                self._refuse(waiter, error)

    # -- the size ---------------------------------------------------------------------------------------------

    def _time(self) -> float:
        assert self._clock is not None
        return self._clock()

    def _tick(self) -> None:
        """What the timer does: drops what broke while idle, evaluates, and sets the timer again."""
        try:
            for connection in [connection for connection in self._idle if not connection.usable]:
                self._drop(connection)
            self._held_back = False
            self._evaluate()
            self._dispatch()
        finally:
            self._set_timer()

    def _set_timer(self) -> None:
        """The next evaluation: sooner where somebody waits for what rates or a pause hold back."""
        if self._timer is not None:
            self._timer.cancel()
        if self._loop is None or self._closed:
            return
        seconds = EVALUATION
        if self._waiting and self._held_back:
            until = self._next_try if self._next_try > self._now else self._behaviour.next_change()
            # Past the very moment, which rounding may leave inside the period.
            seconds = min(max(until - self._now, 0.0) + 0.001, EVALUATION)
        self._timer = self._loop.call_later(seconds, self._tick)

    def _grow(self) -> None:
        """Evaluates for a new waiter, unless the connections on their way are enough or no more may come now."""
        if not self._held_back and self._waiting > len(self._attempts) * self.policy.slots:
            retired = len(self._retired)
            held_back = self._evaluate()
            if len(self._retired) < retired:
                self._dispatch()  # what was taken back can carry somebody at once
            if held_back:
                self._set_timer()

    def _evaluate(self) -> bool:
        """Opens or closes connections as the rule says; whether it wanted more than there may be now."""
        policy = self.policy
        self._now = now = self._time()
        # A retired connection does not count: it carries what it carries and nothing new.
        busy = sum(self._load[connection] for connection in self._retired) if self._retired else 0
        ready, connecting = len(self._load) - len(self._retired), len(self._attempts)
        load = max(self._peak, self._calls) - busy + self._waiting
        self._peak = self._calls
        current = ready + connecting
        wish = policy.wish(ready, connecting, load)
        self._desired = desired = self._behaviour.decide(current, wish, now)[0]
        if desired > current:
            self._open(desired - current, now)
        elif desired < current:
            self._shrink(current - desired, now)
        self._held_back = wish > len(self._load) - len(self._retired) + len(self._attempts)
        return self._held_back

    def _open(self, count: int, now: float) -> None:
        """Takes retired connections back, then opens new ones: a single one while connecting fails."""
        assert self._loop is not None
        back = [connection for connection in self._retired if connection.usable][:count]
        for connection in back:
            del self._retired[connection]
            load = self._load[connection]
            if load < self.policy.slots:
                self._free[load][connection] = now
        room = min(count - len(back), self.policy.maximum - len(self._load) - len(self._attempts))
        if self._failures:
            room = min(room, 1 - len(self._attempts)) if now >= self._next_try else 0
        for _ in range(room):
            attempt = self._loop.create_task(self._try_connect(), name=f"connect {self.name}")
            self._attempts[attempt] = now
            attempt.add_done_callback(self._tried)
        self._behaviour.changed(len(back) + max(room, 0), now)

    def _shrink(self, surplus: int, now: float) -> None:
        """Closes idle connections that are old enough, oldest first; with slots, retires the least loaded besides."""
        old: list[C] = []
        for connection, since in self._idle.items():
            if len(old) == surplus or now - since < self.policy.idle_seconds:
                break
            old.append(connection)
        for connection in old:
            self._drop(connection)
        count = len(old)
        left = surplus - count - len(self._idle)
        for free in self._free[1:]:
            while free and left > 0:
                connection, _ = free.popitem()
                self._retired[connection] = None
                left, count = left - 1, count + 1
        self._behaviour.changed(-count, now)

    # -- connecting -------------------------------------------------------------------------------------------

    async def _try_connect(self) -> C:
        return await self._connect()

    def _tried(self, attempt: asyncio.Task[C]) -> None:
        started = self._attempts.pop(attempt)
        error: BaseException | None
        if attempt.cancelled():
            error = ConnectionError(f"connecting to {self.name} was cancelled")
        else:
            error = attempt.exception()
        connection = None if error is not None else attempt.result()
        if self._closed:
            if connection is not None:
                connection.close()
        elif connection is not None and connection.usable and connection not in self._load:
            self._failures = 0
            self._held_back = False
            self._load[connection] = 0
            self._idle[connection] = self._now
            self._dispatch()
        else:
            if connection is not None and connection not in self._load:
                connection.close()
            if not isinstance(error, Exception):
                error = ConnectionError(f"the connection to {self.name} broke at once")
            self._failed(error, started)

    def _failed(self, error: Exception, started: float) -> None:
        self._now = now = self._time()
        # Tries that were under way together are one failure, or a wide round would pause for long.
        if started >= self._paused_since:
            self._failures += 1
            pause = min(FIRST_PAUSE * 2 ** (min(self._failures, 10) - 1), LONGEST_PAUSE)
            self._paused_since, self._next_try = now, now + pause * (1 - self._chance() / 2)
        if self._waiting:
            self._refuse(self._next_waiter(), error)
        if not self._attempts and not self._load:
            self._tell_all(error)
        if self._waiting:
            self._held_back = True
            self._set_timer()

    # -- for tests --------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Asserts what always holds; for tests, it looks at everything."""
        slots = self.policy.slots
        assert self._calls == sum(self._load.values())
        assert self._waiting == self._queue.qsize() <= self.policy.waiting_max
        assert len(self._load) + len(self._attempts) <= self.policy.maximum
        assert self.policy.minimum <= self._desired <= self.policy.maximum
        assert all(0 <= load <= slots for load in self._load.values())
        for load, free in enumerate(self._free):
            assert all(self._load[connection] == load for connection in free)
            assert not free.keys() & self._retired.keys()
        places = sum(map(len, self._free)) + len(self._retired)
        places += sum(load == slots and c not in self._retired for c, load in self._load.items())
        assert places == len(self._load)
        assert all(self._load[connection] for connection in self._retired)
        assert list(self._idle.values()) == sorted(self._idle.values())
        assert self._dispatching or not self._waiting or not any(c.usable for free in self._free for c in free)
        assert not self._closed or not (self._waiting or self._idle)

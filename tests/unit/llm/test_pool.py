"""The pool's promises one by one, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from support.virtual_time import run
from xiaoer_server.llm.pool import Pool, PoolClosed, PoolFull, PoolPolicy


class Connection:
    def __init__(self, number: int) -> None:
        self.number = number
        self.usable = True

    def close(self) -> None:
        self.usable = False


class Upstream:
    """Connects after `seconds`, or fails while `down`; remembers when each connect began."""

    def __init__(self, seconds: float = 0.02) -> None:
        self.seconds = seconds
        self.down = False
        self.began: list[float] = []
        self.opened: list[Connection] = []

    async def connect(self) -> Connection:
        self.began.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.seconds)
        if self.down:
            raise ConnectionRefusedError
        self.opened.append(Connection(len(self.opened)))
        return self.opened[-1]


def pool_of(upstream: Upstream, **policy: Any) -> Pool[Connection]:
    return Pool("test", upstream.connect, PoolPolicy(**policy), chance=lambda: 0.0)


def in_virtual_time(test: Callable[[Upstream], Awaitable[None]]) -> Callable[[], None]:
    async def main() -> None:
        await asyncio.wait_for(test(Upstream()), 100_000)

    def wrapper() -> None:
        run(main())

    wrapper.__name__, wrapper.__doc__ = test.__name__, test.__doc__
    return wrapper


@in_virtual_time
async def test_it_warms_up_and_takes_the_most_recently_used(upstream: Upstream) -> None:
    pool = pool_of(upstream, minimum=3)
    assert pool.try_take() is None
    pool.start()
    assert (pool.size, pool.connecting, pool.desired) == (0, 3, 3)
    await asyncio.sleep(0.03)
    assert (pool.size, pool.connecting, pool.idle) == (3, 0, 3)
    first, second = pool.try_take(), pool.try_take()
    assert first is not None
    assert second is not None
    assert (pool.in_use, pool.idle) == (2, 1)
    pool.release(second)
    pool.release(first)
    assert pool.try_take() is first
    pool.release(first)
    with pytest.raises(ValueError, match="not taken"):
        pool.release(first)
    pool.check()
    await pool.close()


@in_virtual_time
async def test_a_burst_waits_for_one_connect(upstream: Upstream) -> None:
    """60 callers at once on a pool of 2: everybody has a connection when one connect's time is over."""
    pool = pool_of(upstream)
    pool.start()
    await asyncio.sleep(1)
    loop = asyncio.get_running_loop()
    start, served = loop.time(), []
    for _ in range(60):
        pool.take(lambda connection, error: served.append(loop.time() - start))
    assert pool.connecting >= 58
    pool.check()
    await asyncio.sleep(0.021)
    assert len(served) == 60
    assert max(served) <= upstream.seconds + 1e-6
    await pool.close()


@in_virtual_time
async def test_a_larger_burst_grows_as_fast_as_its_rate_and_no_faster(upstream: Upstream) -> None:
    pool = pool_of(upstream, maximum=500)
    pool.start()
    await asyncio.sleep(1)
    loop = asyncio.get_running_loop()
    start, served = loop.time(), []
    for _ in range(400):
        pool.take(lambda connection, error: served.append(loop.time() - start))
    assert pool.connecting == 64
    await asyncio.sleep(0.5)
    # 2 + 64 at once, then 132, 264 and 400: three periods of 0.1 s and a connect.
    assert len(served) == 400
    assert max(served) <= 0.3 + upstream.seconds + 0.01
    assert len(upstream.began) <= 500
    pool.check()
    await pool.close()


@in_virtual_time
async def test_no_tolerance_for_whoever_waits(upstream: Upstream) -> None:
    """With a target of 1, one caller too many is within the tolerance of 10 %, and yet gets a connection."""
    pool = pool_of(upstream, minimum=20, target=1.0)
    pool.start()
    await asyncio.sleep(1)
    taken = [pool.try_take() for _ in range(20)]
    assert all(taken)
    assert await asyncio.wait_for(pool.acquire(), 0.03)
    await pool.close()


@in_virtual_time
async def test_never_above_the_maximum_and_first_come_first_served(upstream: Upstream) -> None:
    pool = pool_of(upstream, minimum=0, maximum=2, waiting_max=3)
    one, two = await pool.acquire(), await pool.acquire()
    order: list[int] = []
    for number in range(3):
        pool.take(lambda connection, error, number=number: order.append(number))
    with pytest.raises(PoolFull):
        pool.take(lambda connection, error: None)
    await asyncio.sleep(10)
    assert (pool.size, pool.connecting, pool.waiting) == (2, 0, 3)
    assert pool.try_take() is None
    for connection in (one, two, one):
        pool.release(connection)
    assert order == [0, 1, 2]
    await pool.close()


@in_virtual_time
async def test_tenants_take_turns_and_the_urgent_come_first(upstream: Upstream) -> None:
    pool = pool_of(upstream, minimum=0, maximum=1)
    connection = await pool.acquire()
    order: list[str] = []

    def waits(name: str, tenant: str, priority: int = 1) -> None:
        def ready(connection: Connection | None, error: Exception | None) -> None:
            assert connection is not None
            order.append(name)
            pool.release(connection)

        pool.take(ready, tenant=tenant, priority=priority)

    for number in range(4):
        waits(f"loud {number}", "loud")
    waits("quiet", "quiet")
    waits("urgent", "loud", 0)
    pool.release(connection)
    assert order == ["urgent", "loud 0", "quiet", "loud 1", "loud 2", "loud 3"]
    assert (pool.idle, pool.in_use, pool.waiting) == (1, 0, 0)
    await pool.close()


@in_virtual_time
async def test_receivers_that_release_at_once_do_not_pile_up(upstream: Upstream) -> None:
    pool = pool_of(upstream, minimum=0, maximum=1)
    connection = await pool.acquire()
    served = []

    def ready(connection: Connection | None, error: Exception | None) -> None:
        assert connection is not None
        served.append(connection)
        pool.release(connection)

    for _ in range(5_000):
        pool.take(ready)
    pool.release(connection)
    assert len(served) == 5_000
    await pool.close()


@in_virtual_time
async def test_a_failed_connect_is_told_to_one_waiter(upstream: Upstream) -> None:
    pool = pool_of(upstream, minimum=1, target=1.0, scale_up_count=1, scale_up_percent=1)
    busy = await pool.acquire()
    await asyncio.sleep(1)
    upstream.down = True
    told: list[Exception | None] = []
    for _ in range(5):
        pool.take(lambda connection, error: told.append(error))
    await asyncio.sleep(0.03)
    assert len(upstream.began) == 2  # one more is all that the rate allows
    assert [type(error) for error in told] == [ConnectionRefusedError]
    assert pool.waiting == 4
    pool.release(busy)  # the others may still get this one
    assert told[1:] == [None]
    upstream.down = False
    await asyncio.sleep(3)
    assert told[2:] == [None] * 3
    pool.check()
    await pool.close()


@in_virtual_time
async def test_all_are_told_when_the_last_try_has_failed(upstream: Upstream) -> None:
    upstream.down = True
    pool = pool_of(upstream)
    told: list[Exception | None] = []
    for _ in range(100):
        pool.take(lambda connection, error: told.append(error))
    await asyncio.sleep(0.03)
    assert len(told) == 100
    assert all(isinstance(error, ConnectionRefusedError) for error in told)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.wait_for(pool.acquire(), 1)
    assert pool.waiting == pool.in_use == 0
    await pool.close()


@in_virtual_time
async def test_a_dead_upstream_is_not_stormed(upstream: Upstream) -> None:
    """Ten callers a second for a minute: a round at first, then single tries, at last one a second."""
    upstream.down = True
    pool = pool_of(upstream)
    pool.start()
    told: list[Exception | None] = []
    for _ in range(600):
        pool.take(lambda connection, error: told.append(error))
        await asyncio.sleep(0.1)
    later = [began for began in upstream.began if began > 5]
    assert len(later) <= 56
    assert all(after - before >= 1.0 for before, after in pairwise(later))
    await asyncio.sleep(2)
    assert len(told) == 600
    upstream.down = False
    assert await asyncio.wait_for(pool.acquire(), 2)
    await asyncio.sleep(1)
    assert pool.size >= 2
    await pool.close()


@in_virtual_time
async def test_a_cancelled_waiter_costs_nothing(upstream: Upstream) -> None:
    pool = pool_of(upstream, minimum=0, maximum=1)
    connection = await pool.acquire()
    told: list[object] = []
    waiters = [pool.take(lambda connection, error: told.append(connection)) for _ in range(1_000)]
    assert all(waiter.cancel() for waiter in waiters)
    assert not any(waiter.cancel() for waiter in waiters)
    assert pool.waiting == 0
    pool.release(connection)
    assert told == []
    assert pool.try_take() is connection
    pool.release(connection)
    await pool.close()


@in_virtual_time
async def test_a_waiter_may_cancel_another_while_all_are_told(upstream: Upstream) -> None:
    upstream.down = True
    pool = pool_of(upstream, minimum=0, maximum=1)
    told: list[int] = []

    def ready(number: int) -> None:
        told.append(number)
        waiters[1].cancel()

    waiters = [pool.take(lambda connection, error, number=number: ready(number)) for number in range(3)]
    await asyncio.sleep(1)
    assert told == [0, 2]
    assert pool.waiting == 0
    await pool.close()


@in_virtual_time
async def test_a_cancelled_task_gives_back_what_it_was_about_to_get(upstream: Upstream) -> None:
    pool = pool_of(upstream, minimum=0, maximum=1)
    connection = await pool.acquire()
    for released_first in (True, False):
        task = asyncio.ensure_future(pool.acquire())
        await asyncio.sleep(0)
        if released_first:
            pool.release(connection)
            task.cancel()
        else:
            task.cancel()
            pool.release(connection)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (pool.idle, pool.in_use, pool.waiting) == (1, 0, 0)
        assert pool.try_take() is connection
    pool.release(connection)
    await pool.close()


@in_virtual_time
async def test_what_broke_while_idle_is_dropped_unnoticed(upstream: Upstream) -> None:
    pool = pool_of(upstream, minimum=3)
    pool.start()
    await asyncio.sleep(0.1)
    for connection in upstream.opened[1:]:
        connection.usable = False
    assert pool.try_take() is upstream.opened[0]
    assert pool.size == 1
    await asyncio.sleep(0.5)
    assert pool.size == 3  # filled up again
    upstream.opened[-1].usable = False
    await asyncio.sleep(0.5)
    assert pool.size == 3
    assert len(upstream.opened) == 6
    await pool.close()


@in_virtual_time
async def test_a_broken_one_is_replaced_for_whoever_waits(upstream: Upstream) -> None:
    pool = pool_of(upstream, minimum=0, maximum=1)
    connection = await pool.acquire()
    task = asyncio.ensure_future(pool.acquire())
    await asyncio.sleep(1)
    connection.usable = False
    pool.release(connection)
    assert pool.connecting == 1
    assert await asyncio.wait_for(task, 0.03) is upstream.opened[1]
    await pool.close()


@in_virtual_time
async def test_idle_ones_are_closed_oldest_first_down_to_the_minimum(upstream: Upstream) -> None:
    pool = pool_of(upstream, minimum=2, scale_down_window=60.0, idle_seconds=30.0)
    pool.start()
    taken = [await pool.acquire() for _ in range(40)]
    await asyncio.sleep(1)
    top = pool.size
    assert top == 50  # 40 are 80 % of it
    for connection in taken:
        pool.release(connection)
    await asyncio.sleep(59)
    assert pool.size == top  # the window still holds
    await asyncio.sleep(2)
    assert pool.size == pool.desired < top
    assert all(taken[-pool.size + n].usable for n in range(pool.size))  # the last released are the last to go
    await asyncio.sleep(60)
    assert (pool.size, pool.idle, pool.desired) == (2, 2, 2)
    pool.check()
    await pool.close()


@in_virtual_time
async def test_short_peaks_between_two_evaluations_hold_the_size(upstream: Upstream) -> None:
    pool = pool_of(upstream, scale_down_window=5.0, idle_seconds=1.0)
    pool.start()
    for connection in [await pool.acquire() for _ in range(20)]:
        pool.release(connection)
    size = pool.size
    for _ in range(60):
        await asyncio.sleep(1.1)
        taken = [pool.try_take() for _ in range(20)]  # and back in the same step: no evaluation ever sees them
        for connection in taken:
            assert connection is not None
            pool.release(connection)
    assert size == pool.size
    await pool.close()


@in_virtual_time
async def test_slots_spread_calls_over_the_least_loaded(upstream: Upstream) -> None:
    pool = pool_of(upstream, minimum=2, maximum=2, slots=3)
    pool.start()
    await asyncio.sleep(0.1)
    calls = [pool.try_take() for _ in range(6)]
    loads = [[calls[:n].count(connection) for connection in upstream.opened] for n in range(1, 7)]
    assert all(abs(one - two) <= 1 for one, two in loads)
    assert loads[-1] == [3, 3]
    assert pool.try_take() is None
    assert (pool.in_use, pool.size, pool.idle) == (6, 2, 0)
    for connection in calls:
        assert connection is not None
        pool.release(connection)
    pool.check()
    await pool.close()


@in_virtual_time
async def test_a_surplus_channel_ends_its_calls_first(upstream: Upstream) -> None:
    pool = pool_of(upstream, minimum=1, slots=4, scale_down_window=2.0, idle_seconds=1.0, scale_up_count=1)
    pool.start()
    calls = [await pool.acquire() for _ in range(16)]
    assert pool.size >= 4
    kept: list[Connection] = []
    for connection in calls:
        if connection in kept or len(kept) == 4:
            pool.release(connection)
        else:
            kept.append(connection)  # one long call on each of four channels
    await asyncio.sleep(20)
    pool.check()
    assert all(connection.usable for connection in kept)
    assert pool.desired == 1  # three are surplus: no new calls for them
    assert pool.try_take() is pool.try_take() is pool.try_take()
    for connection in [*kept, *[max(kept, key=pool._load.__getitem__)] * 3]:
        pool.release(connection)
    pool.check()
    assert sum(connection.usable for connection in kept) == pool.size == 1
    await pool.close()


@in_virtual_time
async def test_close_tells_the_waiters_and_closes_what_comes_back(upstream: Upstream) -> None:
    pool = pool_of(upstream, minimum=0, maximum=1)
    connection = await pool.acquire()
    task = asyncio.ensure_future(pool.acquire())
    await asyncio.sleep(0)
    await pool.close()
    with pytest.raises(PoolClosed):
        await task
    assert connection.usable
    pool.release(connection)
    assert not connection.usable
    with pytest.raises(PoolClosed):
        await pool.acquire()
    assert (pool.size, pool.in_use, pool.idle, pool.waiting, pool.connecting) == (0, 0, 0, 0, 0)


@in_virtual_time
async def test_close_stops_connecting(upstream: Upstream) -> None:
    upstream.seconds = 1_000
    pool = pool_of(upstream)
    task = asyncio.ensure_future(pool.acquire())
    await asyncio.sleep(1)
    await pool.close()
    assert asyncio.get_running_loop().time() < 2
    assert pool.connecting == 0
    with pytest.raises(PoolClosed):
        await task


@in_virtual_time
async def test_a_receiver_that_raises_loses_its_connection_and_nothing_else(upstream: Upstream) -> None:
    pool = pool_of(upstream, minimum=0, maximum=1)
    connection = await pool.acquire()
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def ready(connection: Connection | None, error: Exception | None) -> None:
        raise ZeroDivisionError

    pool.take(ready)
    task = asyncio.ensure_future(pool.acquire())
    await asyncio.sleep(0)
    pool.release(connection)
    assert not connection.usable
    assert await task is upstream.opened[1]
    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError]
    pool.check()
    await pool.close()


@pytest.mark.parametrize(
    "wrong",
    [{"minimum": 3, "maximum": 2}, {"maximum": 0, "minimum": 0}, {"slots": 0}, {"target": 0.0}, {"target": 1.5}],
)
def test_policies_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not"):
        PoolPolicy(**wrong)

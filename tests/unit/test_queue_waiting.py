"""Waiting in put, get and get_many, and being cancelled there, on each backend."""

import asyncio
from types import ModuleType
from typing import Any

import pytest


async def settle() -> None:
    """Lets every task go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_get_waits_for_an_item(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue()
    getter = asyncio.create_task(queue.get())
    await settle()
    assert not getter.done()
    queue.put_nowait("x")
    assert await getter == "x"


async def test_put_waits_for_room(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue(maxsize=1)
    await queue.put("a")
    putter = asyncio.create_task(queue.put("b", 0, "shop"))
    await settle()
    assert not putter.done()
    assert await queue.get() == "a"
    ticket = await putter
    assert (ticket.priority, ticket.tenant) == (0, "shop")
    assert queue.cancel(ticket)


async def test_cancelling_an_item_makes_room(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue(maxsize=1)
    ticket = queue.put_nowait("a")
    putter = asyncio.create_task(queue.put("b"))
    await settle()
    queue.cancel(ticket)
    await putter
    assert queue.get_nowait() == "b"


async def test_waiters_are_served_in_order(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue(maxsize=1)
    order: list[Any] = []

    async def get(name: str) -> None:
        order.append((name, await queue.get()))

    getters = [asyncio.create_task(get(name)) for name in "abc"]
    await settle()
    for i in range(3):
        await queue.put(i)
    await asyncio.gather(*getters)
    assert order == [("a", 0), ("b", 1), ("c", 2)]


async def test_get_many_takes_what_is_there_with_one_wake_up(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue()
    getter = asyncio.create_task(queue.get_many(3))
    await settle()
    for i in range(5):
        queue.put_nowait(i)
    assert await getter == [0, 1, 2]
    assert await queue.get_many(100) == [3, 4]


async def test_get_many_makes_room_for_as_many_putters(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue(maxsize=3)
    for i in range(3):
        queue.put_nowait(i)
    putters = [asyncio.create_task(queue.put(i)) for i in range(3, 8)]
    await settle()
    assert await queue.get_many(2) == [0, 1]
    await settle()
    assert [putter.done() for putter in putters] == [True, True, False, False, False]
    assert await queue.get_many(9) == [2, 3, 4]
    await asyncio.gather(*putters)


@pytest.mark.parametrize("n", [0, -1])
async def test_get_many_of_nothing(xiaoer: ModuleType, n: int) -> None:
    with pytest.raises(ValueError, match="n must be 1 or more"):
        await xiaoer.PriorityQueue().get_many(n)


async def test_put_fails_before_it_waits(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue(maxsize=1)
    queue.put_nowait("a")
    with pytest.raises(ValueError, match="priority"):
        await queue.put("b", 7)
    with pytest.raises(TypeError):
        await queue.put("b", 1, [])


async def test_a_cancelled_getter_takes_nothing_with_it(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue()
    getter = asyncio.create_task(queue.get())
    await settle()
    getter.cancel()
    await settle()
    queue.put_nowait("x")
    assert getter.cancelled()
    assert queue.get_nowait() == "x"


@pytest.mark.parametrize("take", ["get", "get_many"])
async def test_woken_and_cancelled_in_one_step_passes_the_item_on(xiaoer: ModuleType, take: str) -> None:
    queue = xiaoer.PriorityQueue()
    first = asyncio.create_task(queue.get_many(5) if take == "get_many" else queue.get())
    second = asyncio.create_task(queue.get())
    await settle()
    queue.put_nowait("x")  # wakes the first
    first.cancel()
    assert await asyncio.wait_for(second, 5) == "x"
    assert first.cancelled()


async def test_woken_and_cancelled_in_one_step_passes_the_place_on(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue(maxsize=1)
    queue.put_nowait("a")
    first = asyncio.create_task(queue.put("b"))
    second = asyncio.create_task(queue.put("c"))
    await settle()
    assert queue.get_nowait() == "a"  # wakes the first
    first.cancel()
    await asyncio.wait_for(second, 5)
    assert queue.get_nowait() == "c"
    assert queue.qsize() == 0


async def test_woken_too_late_waits_on_at_the_front(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue()
    getters = [asyncio.create_task(queue.get()) for _ in range(2)]
    await settle()
    queue.put_nowait("x")
    assert queue.get_nowait() == "x"  # before the first getter, already woken, came to run
    await settle()
    queue.put_nowait("y")
    await settle()
    assert [getter.done() for getter in getters] == [True, False]
    queue.put_nowait("z")
    assert await asyncio.gather(*getters) == ["y", "z"]


async def test_a_timeout_loses_nothing(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.get(), 0.001)
    queue.put_nowait("x")
    assert await asyncio.wait_for(queue.get(), 5) == "x"


async def test_closing_a_waiting_coroutine_leaves_no_waiter(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue()
    waiting = queue.get()
    waiting.send(None)
    waiting.close()
    queue.put_nowait("x")
    assert queue.get_nowait() == "x"


@pytest.mark.parametrize("steps", range(14))
@pytest.mark.parametrize("victim", range(7))
async def test_cancelling_anyone_at_any_step_neither_loses_nor_doubles(
    xiaoer: ModuleType, victim: int, steps: int
) -> None:
    """Several who get and several who put at a queue of two places; one of them is cancelled after so many steps."""
    queue = xiaoer.PriorityQueue(3, 2, ageing=5)
    got: list[int] = []

    async def put(items: range) -> list[int]:
        done = []
        try:
            for item in items:
                await queue.put(item, item % 3, "ab"[item % 2])
                done.append(item)
        except asyncio.CancelledError:
            pass
        return done

    async def get(many: int) -> None:
        while True:
            got.extend([await queue.get()] if many == 1 else await queue.get_many(many))

    putters = [asyncio.create_task(put(range(n * 10, n * 10 + 6))) for n in range(4)]
    getters = [asyncio.create_task(get(many)) for many in (1, 2, 1)]
    for _ in range(steps):
        await asyncio.sleep(0)
    [*putters, *getters][victim].cancel()
    for _ in range(100):
        await asyncio.sleep(0)
    assert all(putter.done() for putter in putters), "a putter waits though there is room"
    assert queue.qsize() == 0, "a getter waits beside an item"
    put_in = [item for putter in putters if not putter.cancelled() for item in putter.result()]
    assert sorted(got) == sorted(put_in)
    for getter in getters:
        getter.cancel()
    await asyncio.gather(*getters, return_exceptions=True)


@pytest.mark.parametrize("delay", [0.0005, 0.001, 0.002])
async def test_timeouts_while_items_come_lose_nothing(xiaoer: ModuleType, delay: float) -> None:
    queue = xiaoer.PriorityQueue(2, 3)
    got: list[int] = []

    async def get() -> None:
        while len(got) < 300:
            try:
                got.append(await asyncio.wait_for(queue.get(), delay))
            except TimeoutError:
                await asyncio.sleep(0)

    getters = [asyncio.create_task(get()) for _ in range(4)]
    for item in range(300):
        await queue.put(item, item % 2)
        if item % 7 == 0:
            await asyncio.sleep(delay)
    async with asyncio.timeout(30):
        await asyncio.gather(*getters)
    assert sorted(got) == list(range(300))


def test_who_waited_in_a_loop_that_is_closed_holds_nothing_up(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue(maxsize=1)
    dead = asyncio.new_event_loop()
    waiting = [dead.create_task(queue.get()), dead.create_task(queue.get_many(3))]
    dead.run_until_complete(asyncio.sleep(0))
    dead.close()  # without cancelling the tasks first, as a crash does

    async def alive() -> None:
        assert queue.put_nowait("a").priority == 1
        assert queue.get_nowait() == "a"
        getter = asyncio.create_task(queue.get())
        await settle()
        queue.put_nowait("b")
        assert await asyncio.wait_for(getter, 5) == "b"

    asyncio.run(alive())
    for task in waiting:
        task._log_destroy_pending = False  # type: ignore[attr-defined]


async def test_items_for_several_getters_wake_several(xiaoer: ModuleType) -> None:
    queue = xiaoer.PriorityQueue()
    getters = [asyncio.create_task(queue.get()) for _ in range(3)]
    many = asyncio.create_task(queue.get_many(5))
    await settle()
    for i in range(6):
        queue.put_nowait(i)
    assert await asyncio.gather(*getters) == [0, 1, 2]
    assert await many == [3, 4, 5]


async def test_get_many_is_woken_once(xiaoer: ModuleType) -> None:
    """However many items come before it runs: one future, one result."""
    queue = xiaoer.PriorityQueue()
    waiting = queue.get_many(100)
    future = waiting.send(None)
    wake_ups: list[Any] = []
    future.add_done_callback(wake_ups.append)
    for i in range(100):
        queue.put_nowait(i)
    await settle()
    assert wake_ups == [future]
    with pytest.raises(StopIteration) as end:
        waiting.send(None)
    assert end.value.value == list(range(100))

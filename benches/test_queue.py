"""The priority queue: a put and its get, at depth one and a thousand, with tenants, with waiting, with cancelling."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from benches.measure import Row, Stopwatch
from benches.peers.queue import Get, Plain, Put, Waiting, plain, waiting
from xiaoer import PriorityQueue

CALLS = 2_000
FILLED = f"{CALLS:,} put, then got"


def _turns(put: Put, get: Get, items: list[object]) -> None:
    for item in items:
        put(item, 0)
        get()


def _filled(put: Put, get: Get, items: list[object]) -> None:
    priority = 0
    for item in items:
        put(item, priority)
        priority ^= 1
    for _ in items:
        get()


PATTERNS: dict[str, Callable[[Put, Get, list[object]], None]] = {
    "put, get, by turns": _turns,
    FILLED: _filled,
}


@pytest.mark.parametrize("implementation", plain(), ids=lambda each: each.name)
@pytest.mark.parametrize("pattern", PATTERNS)
def test_put_get(pattern: str, implementation: Plain, stopwatch: Stopwatch, quick: bool) -> None:
    _check_order(*implementation.make())
    calls = CALLS // 20 if quick else CALLS
    items: list[object] = [object() for _ in range(calls)]
    row = Row("queue", pattern, implementation.name, comparable=implementation.comparable)
    stopwatch.rounds(row, PATTERNS[pattern], lambda: (*implementation.make(), items), calls)


def _check_order(put: Put, get: Get) -> None:
    for item, priority in (("b1", 1), ("a1", 0), ("b2", 1), ("a2", 0)):
        put(item, priority)
    got = [get() for _ in range(4)]
    assert [item[-1] if isinstance(item, tuple) else item for item in got] == ["a1", "a2", "b1", "b2"]


def test_tenants(stopwatch: Stopwatch) -> None:
    """Ours alone: a thousand tenants in one level, taken in turns."""
    queue: PriorityQueue[int] = PriorityQueue()
    tenants = [f"tenant{number}" for number in range(1_000)]
    items = list(range(CALLS))

    def run(queue: PriorityQueue[int], items: list[int]) -> None:
        put, get = queue.put_nowait, queue.get_nowait
        for item in items:
            put(item, 1, tenants[item % 1_000])
        for _ in items:
            get()

    queue.put_nowait(1, 1, "a")
    queue.put_nowait(2, 1, "a")
    queue.put_nowait(3, 1, "b")
    assert [queue.get_nowait() for _ in range(3)] == [1, 3, 2]
    stopwatch.rounds(
        Row("queue", f"{CALLS:,} put, of 1,000 tenants, then got", "xiaoer"), run, lambda: (queue, items), CALLS
    )


def test_cancel(stopwatch: Stopwatch) -> None:
    """Ours alone: every item is put and cancelled among a thousand that stay."""
    queue: PriorityQueue[int] = PriorityQueue()
    for number in range(1_000):
        queue.put_nowait(number)
    items = list(range(CALLS))

    def run(queue: PriorityQueue[int], items: list[int]) -> None:
        put, cancel = queue.put_nowait, queue.cancel
        for item in items:
            cancel(put(item, 1))

    stopwatch.rounds(Row("queue", "put, cancel", "xiaoer"), run, lambda: (queue, items), CALLS)
    assert queue.qsize() == 1_000


@pytest.mark.parametrize("implementation", waiting(), ids=lambda each: each.name)
@pytest.mark.parametrize("pattern", ["await put, await get", "two tasks"])
def test_waiting(pattern: str, implementation: Waiting, stopwatch: Stopwatch, quick: bool) -> None:
    calls = CALLS // 20 if quick else CALLS
    items: list[object] = [object() for _ in range(calls)]
    coroutine = _alone if pattern == "await put, await get" else _two_tasks
    with asyncio.Runner() as runner:

        def arguments() -> tuple[Any, ...]:
            return (runner, coroutine, implementation.make(), items)

        stopwatch.rounds(Row("queue", pattern, implementation.name), _run, arguments, calls)


def _run(runner: asyncio.Runner, coroutine: Callable[..., Any], ends: tuple[Any, Any], items: list[object]) -> None:
    assert runner.run(coroutine(*ends, items)) == len(items)


async def _alone(put: Callable[..., Awaitable[Any]], get: Callable[[], Awaitable[Any]], items: list[object]) -> int:
    for item in items:
        await put(item, 0)
        await get()
    return len(items)


async def _two_tasks(put: Callable[..., Awaitable[Any]], get: Callable[[], Awaitable[Any]], items: list[object]) -> int:
    async def take() -> int:
        taken = 0
        for _ in items:
            await get()
            taken += 1
        return taken

    taker = asyncio.create_task(take())
    for item in items:
        await put(item, 1)
        await asyncio.sleep(0)  # so that the taker finds nothing and waits each time
    return await taker

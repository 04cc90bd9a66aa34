"""The compiled queue against its specification: one random history, step by step the same."""

import asyncio
import inspect
from collections import Counter
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

LEVELS = 3
TENANTS = [None, "a", "b", "c"]

steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, LEVELS - 1), st.sampled_from(TENANTS)),
        st.tuples(st.just("put"), st.integers(0, LEVELS - 1), st.sampled_from(TENANTS)),
        st.tuples(st.just("get")),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("sleep"), st.integers(1, 12)),
    ),
    max_size=80,
)


def replay(library: ModuleType, history: list[Any], maxsize: int, ageing: float | None) -> list[Any]:
    now = 0.0
    queue = library.PriorityQueue(LEVELS, maxsize, ageing=ageing, clock=lambda: now)
    tickets: list[Any] = []
    seen: list[Any] = []
    for number, (action, *arguments) in enumerate(history):
        if action == "put":
            try:
                tickets.append(queue.put_nowait(number, *arguments))
                seen.append((tickets[-1].priority, tickets[-1].tenant))
            except asyncio.QueueFull:
                seen.append("full")
        elif action == "get":
            try:
                seen.append(queue.get_nowait())
            except asyncio.QueueEmpty:
                seen.append("empty")
        elif action == "cancel":
            seen.append(bool(tickets) and queue.cancel(tickets[arguments[0] % len(tickets)]))
        else:
            now += arguments[0]
        seen.append([tuple(level) for level in queue.stats()])
        seen.append([queue.qsize(level) for level in (None, 0, 1, 2)])
    seen.extend(queue.get_nowait() for _ in range(queue.qsize()))
    return seen


@given(history=steps, maxsize=st.sampled_from([0, 1, 5]), ageing=st.sampled_from([None, 1, 10, 25]))
def test_same_history_same_results(
    native_xiaoer: ModuleType, pure_xiaoer: ModuleType, history: list[Any], maxsize: int, ageing: float | None
) -> None:
    expected = replay(pure_xiaoer, history, maxsize, ageing)
    assert replay(native_xiaoer, history, maxsize, ageing) == expected


moves = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["put", "get", "get_many", "put_nowait", "get_nowait", "step"]), st.integers(0, 3)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
    ),
    max_size=60,
)


async def wait_about(library: ModuleType, history: list[Any], maxsize: int) -> list[Any]:
    """Tasks that put and get, cancelled here and there. What each came to, and what was left."""
    queue = library.PriorityQueue(2, maxsize)
    tasks: list[asyncio.Task[Any]] = []
    given_out: list[int] = []
    put_at_once: list[int] = []

    async def put(item: int) -> str:
        await queue.put(item, item % 2, "ab"[item % 3 % 2])
        return "put"

    async def get(n: int) -> list[int]:
        items: list[int] = [await queue.get()] if n == 0 else await queue.get_many(n)
        given_out.extend(items)
        return items

    for number, (move, n) in enumerate(history):
        if move == "put":
            tasks.append(asyncio.create_task(put(number), name=str(number)))
        elif move == "get":
            tasks.append(asyncio.create_task(get(0)))
        elif move == "get_many":
            tasks.append(asyncio.create_task(get(n + 1)))
        elif move == "cancel" and tasks:
            tasks[n % len(tasks)].cancel()
        elif move == "put_nowait":
            try:
                queue.put_nowait(number, n % 2)
                put_at_once.append(number)
            except asyncio.QueueFull:
                pass
        elif move == "get_nowait" and queue.qsize():
            given_out.append(queue.get_nowait())
        else:
            await asyncio.sleep(0)
    for _ in range(len(history) + 5):
        await asyncio.sleep(0)
    # Nobody waits for what is there: a wake-up got lost if so.
    putting = [task for task in tasks if not task.done() and task.get_name().isdigit()]
    getting = [task for task in tasks if not task.done() and task not in putting]
    assert not (getting and queue.qsize()), "a getter waits beside an item"
    assert not (putting and maxsize and queue.qsize() < maxsize), "a putter waits beside a free place"
    came_in = [
        int(task.get_name()) for task in tasks if task.done() and not task.cancelled() and task.result() == "put"
    ]
    left = [queue.get_nowait() for _ in range(queue.qsize())]
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert Counter(given_out + left) == Counter(came_in + put_at_once), "an item got lost or doubled"
    return [given_out, left, [repr(end) if isinstance(end, BaseException) else end for end in ends]]


@given(history=moves, maxsize=st.sampled_from([0, 1, 2, 4]))
def test_nothing_lost_nothing_doubled_under_cancellation(
    native_xiaoer: ModuleType, pure_xiaoer: ModuleType, history: list[Any], maxsize: int
) -> None:
    expected = asyncio.run(wait_about(pure_xiaoer, history, maxsize))
    assert asyncio.run(wait_about(native_xiaoer, history, maxsize)) == expected


@pytest.mark.parametrize("name", ["PriorityQueue", "Ticket", "SSEDecoder", "SSEEvent"])
def test_the_twins_have_the_same_docstrings_and_members(
    native_xiaoer: ModuleType, pure_xiaoer: ModuleType, name: str
) -> None:
    native, pure = getattr(native_xiaoer, name), getattr(pure_xiaoer, name)
    assert inspect.getdoc(native) == inspect.getdoc(pure)
    public = {member for member in vars(pure) if not member.startswith("_")}
    made = {"max_event_bytes", "last_event_id", "retry"} if name == "SSEDecoder" else set()
    made |= {"levels", "maxsize", "ageing"} if name == "PriorityQueue" else set()
    assert {member for member in vars(native) if not member.startswith("_")} == public | made
    for member in public & set(vars(native)):
        if callable(getattr(pure, member)):
            assert inspect.getdoc(getattr(native, member)) == inspect.getdoc(getattr(pure, member)), member

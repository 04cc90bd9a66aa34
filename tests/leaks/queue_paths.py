"""Every path through the queue, those that end in errors and in cancelled waiting too."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from leaks.refusals import Planned, refuses


class Tenant:
    """A tenant whose hash or comparison fails when told so."""

    def __init__(self) -> None:
        self.fails = False

    def __hash__(self) -> int:
        if self.fails:
            raise Planned
        return 7


class UnequalTenant:
    """A tenant that can't be compared with another of the same hash."""

    def __hash__(self) -> int:
        return 7

    def __eq__(self, other: object) -> bool:
        raise Planned


def paths(xiaoer: ModuleType, directory: Path) -> dict[str, Callable[[], object]]:
    make = xiaoer.PriorityQueue
    loop = asyncio.new_event_loop()
    lasting = make(3)

    def put_and_get() -> None:
        for number in range(10):
            lasting.put_nowait(object(), number % 3, "abc"[number % 3])
        while lasting.qsize():
            lasting.get_nowait()
        lasting.stats()

    def new_tenants() -> None:
        for _ in range(3):
            lasting.put_nowait(object(), 1, object())
        for _ in range(3):
            lasting.get_nowait()

    def cancel() -> None:
        tickets = [lasting.put_nowait(object(), 1, tenant) for tenant in (None, "a", "a", "b")]
        assert [lasting.cancel(ticket) for ticket in tickets + tickets] == [True] * 4 + [False] * 4
        refuses((TypeError, AttributeError), lasting.cancel, None)
        assert make(1).cancel(tickets[0]) is False

    def age() -> None:
        now = 0.0
        queue = make(3, ageing=1, clock=lambda: now)
        tickets = [queue.put_nowait(object(), 2, number % 2) for number in range(6)]
        now = 2.5
        queue.get_nowait()
        queue.cancel(tickets[5])
        queue.stats()

    def drop() -> None:
        queue = make(2, ageing=10)
        for number in range(6):
            queue.put_nowait(queue if number == 3 else object(), number % 2, number)

    def refused() -> None:
        queue = make(2, maxsize=1)
        refuses(xiaoer.QueueEmpty, queue.get_nowait)
        queue.put_nowait(object())
        refuses(xiaoer.QueueFull, queue.put_nowait, object())
        for level in (2, -1):
            refuses(ValueError, queue.put_nowait, object(), level)
        refuses(TypeError, queue.put_nowait, object(), "urgent")
        refuses(TypeError, queue.put_nowait)
        refuses(ValueError, queue.qsize, 9)
        refuses(ValueError, make, 0)
        refuses(ValueError, make, 2, -1)
        refuses(ValueError, make, ageing=0)
        refuses(TypeError, make, "2")

    def odd_tenants() -> None:
        queue = make(2)
        refuses(TypeError, queue.put_nowait, object(), 1, [])
        tenant = Tenant()
        tenant.fails = True
        refuses(Planned, queue.put_nowait, object(), 1, tenant)
        queue.put_nowait(object(), 1, UnequalTenant())
        refuses(Planned, queue.put_nowait, object(), 1, UnequalTenant())

    def odd_tenants_leave() -> None:
        for ageing in (None, 1):
            now = 0.0
            queue = make(3, ageing=ageing, clock=lambda: now)  # noqa: B023
            tenant = Tenant()
            ticket = queue.put_nowait(object(), 1, tenant)
            queue.put_nowait(object(), 2)
            now = 5.0
            tenant.fails = True
            # Whether the queue hashes a tenant again when an item leaves is its own affair; it must only survive it.
            # The compiled one gives the item out all the same and reports the error as one that nobody can catch.
            hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
            try:
                with suppress(Planned):
                    queue.get_nowait()
                with suppress(Planned):
                    queue.cancel(ticket)
            finally:
                sys.unraisablehook = hook
            tenant.fails = False
            while queue.qsize():
                queue.get_nowait()

    def failing_clock() -> None:
        works = True

        def clock() -> float:
            if not works:
                raise Planned
            return 0.0

        queue = make(2, clock=clock)
        queue.put_nowait(object())
        works = False
        refuses(Planned, queue.put_nowait, object())
        refuses(Planned, queue.get_nowait)

    async def wait_for_items() -> None:
        queue = make(2)
        tasks = [loop.create_task(wait) for wait in (queue.get(), queue.get_many(2), queue.get())]
        await asyncio.sleep(0)
        for _ in range(4):
            queue.put_nowait(object())
        await asyncio.gather(*tasks)

    async def wait_for_room() -> None:
        queue = make(2, maxsize=1)
        queue.put_nowait(object())
        tasks = [loop.create_task(queue.put(object(), level, level)) for level in (0, 1, 1)]
        await asyncio.sleep(0)
        for _ in range(4):
            await queue.get()
        await asyncio.gather(*tasks)

    async def wait_in_vain() -> None:
        queue, full = make(2), make(2, maxsize=1)
        full.put_nowait(object())
        tasks = [loop.create_task(wait) for wait in (queue.get(), queue.get_many(3), full.put(object()), full.put(1))]
        await asyncio.sleep(0)
        # Two are cancelled in the step in which they are woken, two while they wait.
        queue.put_nowait(object())
        full.get_nowait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def await_refused() -> None:
        queue = make(2)
        for wait in (queue.get_many(0), queue.put(object(), 7), queue.put(object(), 1, [])):
            with suppress(ValueError, TypeError):
                await wait
                raise AssertionError("it was taken")

    async def time_out() -> None:
        queue = make(2)
        with suppress(TimeoutError):
            await asyncio.wait_for(queue.get(), 0)
        task = loop.create_task(queue.get())
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    def in_loop(scenario: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        return lambda: loop.run_until_complete(scenario())

    def closed_loop() -> None:
        queue = make(2)
        other = asyncio.new_event_loop()

        async def wait() -> None:
            await queue.get()

        waiting = wait()
        task = other.create_task(waiting)
        other.call_soon(other.stop)
        other.run_forever()
        other.close()
        # Whoever is woken there can't be told any more.
        with suppress(RuntimeError):
            queue.put_nowait(object())
        task._log_destroy_pending = False  # type: ignore[attr-defined]
        waiting.close()

    def never_awaited() -> None:
        queue = make(2)
        for coroutine in (queue.get(), queue.get_many(1), queue.put(object())):
            coroutine.close()

    return {
        "put and get": put_and_get,
        "tenants come and go": new_tenants,
        "cancel": cancel,
        "ageing": age,
        "dropped with items": drop,
        "refused": refused,
        "tenants whose hash or comparison fails": odd_tenants,
        "clock that fails": failing_clock,
        "wait for items": in_loop(wait_for_items),
        "wait for room": in_loop(wait_for_room),
        "waiting cancelled": in_loop(wait_in_vain),
        "waiting refused": in_loop(await_refused),
        "waiting timed out": in_loop(time_out),
        "waiting in a closed loop": closed_loop,
        "coroutines never awaited": never_awaited,
        "tenants whose hash fails when they leave": odd_tenants_leave,
    }

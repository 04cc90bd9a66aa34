"""Priority queues of two levels, each with the calls that its own users make."""

import asyncio
import heapq
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any, NamedTuple

from benches.peers import need
from benches.run import this_run
from xiaoer import PriorityQueue

culsans: Any = need(
    "culsans",
    "culsans",
    licence="ISC",
    lacks="levels (a heap of what you give it), tenants, ageing, cancelling; has threads",
)
aiologic: Any = need(
    "aiologic",
    "aiologic",
    licence="ISC",
    lacks="levels (a heap of what you give it), tenants, ageing, cancelling; has threads",
)

Put = Callable[[object, int], object]
Get = Callable[[], object]


class Plain(NamedTuple):
    """Put and get where nobody waits. `get` gives the item, or a tuple that ends with it."""

    name: str
    make: Callable[[], tuple[Put, Get]]
    comparable: bool = True
    """False for a structure without any of a queue's promises: the bare minimum to compare with."""


class Waiting(NamedTuple):
    """Put and get as coroutines."""

    name: str
    make: Callable[[], tuple[Callable[[object, int], Awaitable[object]], Callable[[], Awaitable[object]]]]


def _ours() -> tuple[Put, Get]:
    queue: PriorityQueue[object] = PriorityQueue()
    return queue.put_nowait, queue.get_nowait


def _ours_ageing() -> tuple[Put, Get]:
    queue: PriorityQueue[object] = PriorityQueue(ageing=60.0)
    return queue.put_nowait, queue.get_nowait


def _two_deques() -> tuple[Put, Get]:
    urgent: deque[object] = deque()
    other: deque[object] = deque()

    def put(item: object, priority: int) -> None:
        if priority:
            other.append(item)
        else:
            urgent.append(item)

    def get() -> object:
        return urgent.popleft() if urgent else other.popleft()

    return put, get


def deques_in_line(items: list[object]) -> None:
    """Two deques without a call around them: what nothing that is called can reach."""
    urgent: deque[object] = deque()
    other: deque[object] = deque()
    priority = 0
    for item in items:
        (other if priority else urgent).append(item)
        priority ^= 1
    for _ in items:
        if urgent:
            urgent.popleft()
        else:
            other.popleft()


def _heap() -> tuple[Put, Get]:
    heap: list[tuple[int, int, object]] = []
    serial = count()
    push, pop = heapq.heappush, heapq.heappop

    def put(item: object, priority: int) -> None:
        # The serial number keeps those of one level in order.
        push(heap, (priority, next(serial), item))

    return put, lambda: pop(heap)


def _with_serial(put_one: Callable[[Any], object]) -> Put:
    serial = count()

    def put(item: object, priority: int) -> None:
        put_one((priority, next(serial), item))

    return put


def _asyncio() -> tuple[Put, Get]:
    queue: asyncio.PriorityQueue[Any] = asyncio.PriorityQueue()
    return _with_serial(queue.put_nowait), queue.get_nowait


def _culsans() -> tuple[Put, Get]:
    queue = culsans.PriorityQueue()
    return _with_serial(queue.put_nowait), queue.get_nowait


def _aiologic() -> tuple[Put, Get]:
    queue = aiologic.PriorityQueue()
    return _with_serial(lambda item: queue.green_put(item, blocking=False)), lambda: queue.green_get(blocking=False)


def plain() -> list[Plain]:
    """All that run in this process."""
    found = [Plain("xiaoer", _ours), Plain("xiaoer, ageing", _ours_ageing)]
    if this_run() == "native":
        found += [
            Plain("two deques", _two_deques, comparable=False),
            Plain("heapq", _heap, comparable=False),
            Plain("asyncio.PriorityQueue", _asyncio),
        ]
        found += [Plain("culsans", _culsans)] if culsans else []
        found += [Plain("aiologic", _aiologic)] if aiologic else []
    return found


def _async_serial(put_one: Callable[[Any], Awaitable[object]]) -> Callable[[object, int], Awaitable[object]]:
    serial = count()

    def put(item: object, priority: int) -> Awaitable[object]:
        return put_one((priority, next(serial), item))

    return put


def _ours_waiting() -> tuple[Any, Any]:
    queue: PriorityQueue[object] = PriorityQueue()
    return queue.put, queue.get


def _asyncio_waiting() -> tuple[Any, Any]:
    queue: asyncio.PriorityQueue[Any] = asyncio.PriorityQueue()
    return _async_serial(queue.put), queue.get


def _culsans_waiting() -> tuple[Any, Any]:
    queue = culsans.PriorityQueue()
    return _async_serial(queue.async_put), queue.async_get


def _aiologic_waiting() -> tuple[Any, Any]:
    queue = aiologic.PriorityQueue()
    return _async_serial(queue.async_put), queue.async_get


def waiting() -> list[Waiting]:
    """All that run in this process."""
    found = [Waiting("xiaoer", _ours_waiting)]
    if this_run() == "native":
        found.append(Waiting("asyncio.PriorityQueue", _asyncio_waiting))
        found += [Waiting("culsans", _culsans_waiting)] if culsans else []
        found += [Waiting("aiologic", _aiologic_waiting)] if aiologic else []
    return found

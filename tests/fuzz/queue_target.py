"""The compiled queue against its specification: one history of calls, tasks, cancellations and time."""

import asyncio
from collections import Counter
from typing import Any

from fuzz.reader import Reader
from xiaoer import queue as native
from xiaoer.pure import queue as pure

LEVELS = 3
TENANTS = [None, "a", "b", ("c", 1)]
LONGEST = 120
"""Steps; more says nothing new."""


class Run:
    """One implementation living through a history."""

    def __init__(self, library: Any, reader: Reader) -> None:
        self.now = 0.0
        self.reader = reader
        self.maxsize = reader.choice([0, 1, 2, 5])
        ageing = reader.choice([None, 1, 10, 0.5])
        self.queue = library.PriorityQueue(LEVELS, self.maxsize, ageing=ageing, clock=lambda: self.now)
        self.tickets: list[Any] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.came_in: list[int] = []
        self.given_out: list[int] = []
        self.seen: list[Any] = []

    async def put(self, item: int, level: int, tenant: object) -> str:
        self.tickets.append(await self.queue.put(item, level, tenant))
        self.came_in.append(item)
        return "put"

    async def get(self) -> int:
        item = await self.queue.get()
        self.given_out.append(item)
        return item

    async def get_many(self, most: int) -> list[int]:
        items = await self.queue.get_many(most)
        self.given_out += items
        return items

    def step(self, number: int) -> Any:
        reader, queue = self.reader, self.queue
        match reader.below(10):
            case 0 | 1:
                ticket = queue.put_nowait(number, reader.below(LEVELS), reader.choice(TENANTS))
                self.tickets.append(ticket)
                self.came_in.append(number)
                return ticket.priority, ticket.tenant, repr(ticket)
            case 2:
                self.given_out.append(queue.get_nowait())
                return self.given_out[-1]
            case 3:
                if self.tickets and queue.cancel(reader.choice(self.tickets)):
                    self.came_in.append(-1)  # stands for one less
                    return True
            case 4:
                self.now += reader.byte() / 8
            case 5:
                self.start(self.put(number, reader.below(LEVELS), reader.choice(TENANTS)))
            case 6:
                self.start(self.get())
            case 7:
                self.start(self.get_many(reader.below(4) + 1))
            case 8:
                if self.tasks:
                    self.tasks[reader.below(len(self.tasks))].cancel()
            case 9:
                return "let others run"
        return None

    def start(self, work: Any) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    async def live(self) -> list[Any]:
        """Everything that can be seen, step by step."""
        try:
            await self.go_through()
            await self.end()
        finally:
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
        return self.seen

    async def go_through(self) -> None:
        for number in range(LONGEST):
            if not self.reader:
                break
            try:
                happened = self.step(number)
            except (asyncio.QueueEmpty, asyncio.QueueFull, ValueError) as error:
                happened = type(error).__name__, str(error)
            if happened == "let others run":
                await asyncio.sleep(0)
            sizes = [self.queue.qsize(level) for level in (None, 0, 1, 2)]
            ends = [task.cancelled() or task.done() for task in self.tasks]
            self.seen.append((happened, sizes, [tuple(level) for level in self.queue.stats()], ends))

    async def end(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        left = [self.queue.get_nowait() for _ in range(self.queue.qsize())]
        for task in self.tasks:
            task.cancel()
        ends = await asyncio.gather(*self.tasks, return_exceptions=True)
        left += [self.queue.get_nowait() for _ in range(self.queue.qsize())]
        out, cancelled = Counter(self.given_out + left), self.came_in.count(-1)
        came_in = Counter(item for item in self.came_in if item >= 0)
        assert not out - came_in, f"doubled: {out - came_in}"
        assert (came_in - out).total() == cancelled, f"{came_in - out} came in and not out, {cancelled} cancelled"
        self.seen.append((left, [repr(end) if isinstance(end, BaseException) else end for end in ends]))


_loop = asyncio.new_event_loop()


def run(data: bytes) -> None:
    """Raises AssertionError where the two differ, or where one loses or doubles an item."""
    ours = _loop.run_until_complete(Run(native, Reader(data)).live())
    expected = _loop.run_until_complete(Run(pure, Reader(data)).live())
    assert ours == expected, f"\nnative {ours}\npure   {expected}"

"""Micro-batches for one worker thread that runs the models.

A text that several calls want, now or a moment ago, is run once: what waits or runs is shared, and recent results are
remembered (the least recently used are forgotten first). What is for a visitor who waits (queries and pairs) goes
before passages, which somebody imports; after `PATIENCE` batches in a row passages get one. A unit that nobody waits
for any more, because its calls expired or were cancelled, is dropped before it runs.

While a batch runs, the next one collects by itself; on an idle worker the first unit waits `wait_seconds` for more.

Measured with e5-small on one core: a question takes 6.1 ms alone, 4.0 in a batch of four, 3.7 in one of eight and no
less in larger ones, which only make the next one wait; a passage takes 33 ms for 250 characters and 170 for 1,000.

Owned by one event loop; only the model runs in the thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

log = logging.getLogger(__name__)

#: Batches that may go before waiting passages in a row.
PATIENCE = 4

#: Batches over which a pace that grows is averaged.
_PACES = 8

#: The wait is taken to be as much longer as the pace may fall meanwhile on a busy machine.
_MARGIN = 1.25

#: What an entry of the memory costs besides its text and its value, in bytes.
_OVERHEAD = 300

#: Runs one kind of units; an exception in place of a result is the failure of that unit alone.
Runner = Callable[[Sequence[Any]], Sequence[Any]]


class QueueFull(Exception):
    """As many units wait as may, or more than can be run before the call's deadline."""


class Expired(Exception):
    """The deadline came before the model had a turn."""


class _Call:
    __slots__ = ("future", "left")

    def __init__(self, future: asyncio.Future[None]) -> None:
        self.future = future
        self.left = 0

    def arrived(self) -> None:
        self.left -= 1
        if not self.left and not self.future.done():
            self.future.set_result(None)

    def failed(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class _Unit:
    __slots__ = ("calls", "expires", "item", "kind", "value")

    def __init__(self, kind: str, item: Hashable) -> None:
        self.kind = kind
        self.item = item
        self.calls: list[_Call] = []
        self.expires = 0.0
        self.value: Any = None


class Batcher:
    """See the module.

    Args:
        runners: By kind; those in `bulk` come after the others.
        max_batch: Units in a batch.
        bulk_chars: Code points in a batch of bulk, since an urgent unit may have to wait for it to end.
        wait_seconds: How long an idle worker waits for more.
        queue_max: Units that may wait, of urgent ones and of bulk each.
        memory_bytes: For remembered results of the kinds in `remembered`.
    """

    def __init__(
        self,
        runners: dict[str, Runner],
        *,
        bulk: Iterable[str] = (),
        remembered: Iterable[str] = (),
        max_batch: int = 8,
        bulk_chars: int = 250,
        wait_seconds: float = 0.0,
        queue_max: int = 1_024,
        memory_bytes: int = 32 << 20,
    ) -> None:
        self._runners = runners
        self._bulk = frozenset(bulk)
        self._remembered = frozenset(remembered)
        self._max_batch = max_batch
        self._bulk_chars = bulk_chars
        self._wait_seconds = wait_seconds
        self._queue_max = queue_max
        self._memory: OrderedDict[tuple[str, Hashable], tuple[Any, int]] = OrderedDict()
        self._memory_left = memory_bytes
        self._units: dict[tuple[str, Hashable], _Unit] = {}  # that wait or run
        self._urgent: deque[_Unit] = deque()
        self._later: deque[_Unit] = deque()
        self._pace = 0.0  # seconds for an urgent unit, of late
        self._passed = 0  # urgent batches since the last one of bulk
        self._something = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "model")
        self._task: asyncio.Task[None] | None = None
        self.batches = 0
        self.ran = 0
        self.expired = 0

    @property
    def waiting(self) -> int:
        """Units that wait for the worker."""
        return len(self._urgent) + len(self._later)

    def start(self) -> None:
        """Start the worker; needs a running loop."""
        self._task = asyncio.get_running_loop().create_task(self._work(), name="batches")

    async def close(self) -> None:
        """End the worker; the batch that runs is waited for, what waits fails."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        for unit in [*self._urgent, *self._later]:
            self._settle(unit, Expired("the process ends"))
        self._urgent.clear()
        self._later.clear()
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)

    async def run(self, kind: str, items: Sequence[Hashable], expires: float) -> list[Any]:
        """Results in the order of the items.

        Args:
            expires: The loop's time from which nobody waits for them any more.

        Raises:
            QueueFull: nothing of the call was queued.
            Expired: a unit was not begun in time.
            Exception: what the runner raised or gave for a unit.
        """
        loop = asyncio.get_running_loop()
        results: list[Any] = [None] * len(items)
        wanted: dict[Hashable, list[int]] = {}
        for place, item in enumerate(items):
            known = self._recall(kind, item)
            if known is not None:
                results[place] = known
            else:
                wanted.setdefault(item, []).append(place)
        if not wanted:
            return results
        lane = self._later if kind in self._bulk else self._urgent
        new = sum((kind, item) not in self._units for item in wanted)
        if new and len(lane) + new > self._queue_max:
            raise QueueFull(f"{len(lane)} texts wait already")
        if new and self._urgent and lane is self._urgent:
            # Those before it, the batch that runs and its own. Who finds nobody waiting is always let in.
            wait = (len(lane) + 2 * self._max_batch) * self._pace * _MARGIN
            if wait > expires - loop.time():
                raise QueueFull(f"{len(lane)} texts wait already, for {wait:.1f} s")
        call = _Call(loop.create_future())
        units = []
        for item in wanted:
            unit = self._units.get((kind, item))
            if unit is None:
                unit = self._units[kind, item] = _Unit(kind, item)
                lane.append(unit)
            unit.calls.append(call)
            unit.expires = max(unit.expires, expires)
            units.append(unit)
        call.left = len(units)
        self._something.set()
        try:
            await call.future
        finally:
            for unit in units:
                if call in unit.calls:
                    unit.calls.remove(call)
        for unit, places in zip(units, wanted.values(), strict=True):
            for place in places:
                results[place] = unit.value
        return results

    # -- the worker -------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._something.wait()
            if self._wait_seconds and self.waiting < self._max_batch:
                await asyncio.sleep(self._wait_seconds)
            batch = self._take(loop.time())
            if not batch:
                if not self.waiting:
                    self._something.clear()
                continue
            began = loop.time()
            running = loop.run_in_executor(self._thread, self._run, batch)
            try:
                values = await asyncio.shield(running)
            except asyncio.CancelledError:
                self._finish(batch, await running)
                raise
            if batch[0].kind not in self._bulk:
                pace = (loop.time() - began) / len(batch)
                # Slowly up, quickly down: a process that was stopped for a while does not refuse work for long.
                share = (_PACES if pace > self._pace else 2) if self._pace else 1
                self._pace += (pace - self._pace) / share
            self._finish(batch, values)

    def _take(self, now: float) -> list[_Unit]:
        """The next batch: the units of the first one's kind, in order, without those that nobody waits for."""
        urgent = bool(self._urgent) and not (self._later and self._passed >= PATIENCE)
        lane = self._urgent if urgent else self._later
        self._passed = self._passed + 1 if urgent else 0
        batch: list[_Unit] = []
        left: list[_Unit] = []
        chars = 0
        while lane and len(batch) < self._max_batch and (urgent or chars < self._bulk_chars):
            unit = lane.popleft()
            if not unit.calls:
                self._settle(unit, None)
            elif unit.expires <= now:
                self.expired += 1
                self._settle(unit, Expired("the deadline came before the model had a turn"))
            elif batch and unit.kind != batch[0].kind:
                left.append(unit)
            else:
                batch.append(unit)
                chars += len(unit.item) if isinstance(unit.item, str) else 0
        lane.extendleft(reversed(left))
        return batch

    def _run(self, batch: list[_Unit]) -> list[Any]:
        """In the thread. When a batch fails, its units are run one by one, so that one bad text fails alone."""
        runner = self._runners[batch[0].kind]
        items = [unit.item for unit in batch]
        try:
            values = list(runner(items))
            if len(values) != len(items):
                raise ValueError(f"the model gave {len(values)} results for {len(items)} texts")
        except Exception as error:
            if len(items) == 1:
                return [error]
            return [value for unit in batch for value in self._run([unit])]
        return values

    def _finish(self, batch: list[_Unit], values: list[Any]) -> None:
        self.batches += 1
        self.ran += len(batch)
        for unit, value in zip(batch, values, strict=True):
            if isinstance(value, Exception):
                self._settle(unit, value)
                continue
            unit.value = value
            self._remember(unit)
            self._settle(unit, None)

    def _settle(self, unit: _Unit, error: Exception | None) -> None:
        del self._units[unit.kind, unit.item]
        for call in unit.calls:
            if error is None:
                call.arrived()
            else:
                call.failed(error)

    # -- the memory -------------------------------------------------------------------------------------------

    def _recall(self, kind: str, item: Hashable) -> Any:
        found = self._memory.get((kind, item))
        if found is None:
            return None
        self._memory.move_to_end((kind, item))
        return found[0]

    def _remember(self, unit: _Unit) -> None:
        if unit.kind not in self._remembered:
            return
        assert isinstance(unit.item, str)
        assert isinstance(unit.value, bytes)
        cost = len(unit.item) * 4 + len(unit.value) + _OVERHEAD
        self._memory[unit.kind, unit.item] = unit.value, cost
        self._memory_left -= cost
        while self._memory_left < 0:
            self._memory_left += self._memory.popitem(last=False)[1][1]

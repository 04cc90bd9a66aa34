"""A deadline that moves with every token, without a timer per token."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self


class StallGuard:
    """Ends the enclosed block with TimeoutError when nothing has come for too long.

    `touch()` only notes the time; one timer wakes at the old deadline and moves itself on, so a stream of any
    length costs a handful of timers. `limit` bounds the whole block, `first` the time to the first `touch`,
    `between` each later wait; all in seconds.
    """

    def __init__(self, *, first: float, between: float, limit: float) -> None:
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self._end = now + limit
        self._deadline = now + first
        self._between = between
        self._timeout = asyncio.timeout_at(None)
        self._timer: asyncio.TimerHandle | None = None

    def touch(self) -> None:
        """Something came."""
        self._set(self._between)

    def end_within(self, seconds: float) -> None:
        """Nothing that matters is to come: do not wait long for it."""
        self._between = min(self._between, seconds)
        self._set(self._between)

    def _set(self, seconds: float) -> None:
        deadline = self._deadline = self._loop.time() + seconds
        # Nearly never true: only where the waits become shorter.
        if self._timer is not None and deadline < self._timer.when():
            self._timer.cancel()
            self._timer = self._loop.call_at(deadline, self._look)

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._timer = self._loop.call_at(min(self._deadline, self._end), self._look)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, trace)

    def _look(self) -> None:
        deadline = min(self._deadline, self._end)
        if self._loop.time() < deadline:
            self._timer = self._loop.call_at(deadline, self._look)
        else:
            self._timer = None
            self._timeout.reschedule(self._loop.time())

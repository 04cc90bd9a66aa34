"""When to answer: messages that come close together are one question."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Burst:
    """Waits until a visitor has paused for `gap` seconds, at most `longest` after the first message.

    `touch()` costs one clock reading; a single timer moves itself on instead of being remade for each message.
    """

    __slots__ = ("_deadline", "_end", "_fire", "_gap", "_longest", "_loop", "_timer")

    def __init__(
        self, fire: Callable[[], None], *, gap: float, longest: float, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._fire = fire
        self._gap = gap
        self._longest = max(gap, longest)
        self._loop = loop
        self._deadline = 0.0
        self._end = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> bool:
        """Whether a message is waiting for the pause."""
        return self._timer is not None

    def touch(self) -> None:
        """A message came."""
        now = self._loop.time()
        if self._timer is None:
            self._end = now + self._longest
            self._deadline = now + self._gap
            self._timer = self._loop.call_at(self._deadline, self._look)
        else:
            self._deadline = min(now + self._gap, self._end)

    def cancel(self) -> None:
        """Forget the messages that wait."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look)
        else:
            self._timer = None
            self._fire()

"""Many timers for the price of one: what is due within the same millisecond is called together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Wheel:
    """Calls made up to a millisecond late, never early, in slots of a millisecond. No cancelling: the called look."""

    def __init__(self) -> None:
        self._slots: dict[int, list[Callable[[], None]]] = {}
        self._at = 0  # the next slot to look at
        self._running = False

    def add(self, loop: asyncio.AbstractEventLoop, when: float, call: Callable[[], None]) -> None:
        """Call at a time of the loop."""
        slot = int(when * 1000) + 1
        if not self._running:
            self._running = True
            self._at = int(loop.time() * 1000)
            loop.call_later(0.001, self._turn, loop)
        if slot < self._at:  # due already
            slot = self._at
        found = self._slots.get(slot)
        if found is None:
            self._slots[slot] = [call]
        else:
            found.append(call)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        # What is added meanwhile, and is due already, has the next turn.
        now, at = int(loop.time() * 1000), self._at
        self._at = now + 1
        slots = self._slots
        while at <= now:
            for call in slots.pop(at, ()):
                call()
            at += 1
        if slots:
            loop.call_later(0.001, self._turn, loop)
        else:
            self._running = False

"""An event loop whose time passes only when nothing is left to do, and then at once."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Stuck(Exception):
    """Everybody waits, and no timer is set: in real time this would hang."""


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        events = super().select(0)
        if not events:
            if timeout is None:
                raise Stuck
            self.now += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """Sleeping for an hour takes no time; `time` tells the hour."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)
        self.failures: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.failures.append(context))

    def time(self) -> float:
        return self._virtual.now

    def pass_time(self, seconds: float = 0.0) -> None:
        """Runs what is due in the next `seconds`, and what follows from it."""
        self.run_until_complete(asyncio.sleep(seconds))
        for _ in range(3):
            self.run_until_complete(asyncio.sleep(0))


def run(main: Coroutine[Any, Any, T]) -> T:
    """Like `asyncio.run`, in virtual time; what a callback raised fails the test."""
    loop = VirtualLoop()
    try:
        result = loop.run_until_complete(main)
        assert not loop.failures, loop.failures
        return result
    finally:
        loop.close()

"""Sliding windows over the outcomes of calls: the last N calls, or the calls of the last N seconds.

Both keep running sums, so recording and reading cost the same however large the window is: what leaves the window is
subtracted. The method is that of resilience4j's FixedSizeSlidingWindowMetrics and SlidingTimeWindowMetrics
(Apache-2.0, https://resilience4j.readme.io/docs/circuitbreaker): a ring of outcomes, and a ring of one sum a second.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor

SUCCESS, FAILURE, SLOW_SUCCESS, SLOW_FAILURE = range(4)
_EMPTY = 4
# What an outcome adds to (calls, failures, slow calls).
_WEIGHTS = ((1, 0, 0), (1, 1, 0), (1, 0, 1), (1, 1, 1), (0, 0, 0))


class CountWindow:
    """The last `size` outcomes; one byte each.

    With `size` 0 nothing is kept: the window of a breaker that is disabled or forced open.
    """

    __slots__ = ("_at", "_ring", "_size", "calls", "failures", "slow")

    def __init__(self, size: int) -> None:
        self._ring = bytearray([_EMPTY]) * size
        self._size = size
        self._at = 0
        self.calls = 0
        self.failures = 0
        self.slow = 0

    def record(self, outcome: int) -> None:
        """Add one of SUCCESS, FAILURE, SLOW_SUCCESS, SLOW_FAILURE; the oldest one leaves if the window is full."""
        size = self._size
        if not size:
            return
        at = self._at
        ring = self._ring
        old = ring[at]
        if old != outcome:  # the sums stay as they are when like replaces like, which is nearly always
            ring[at] = outcome
            calls, failures, slow = _WEIGHTS[outcome]
            old_calls, old_failures, old_slow = _WEIGHTS[old]
            self.calls += calls - old_calls
            self.failures += failures - old_failures
            self.slow += slow - old_slow
        at += 1
        self._at = at if at < size else 0

    def refresh(self) -> None:
        """Nothing grows old here."""


class TimeWindow:
    """The outcomes of the current second and the `size - 1` seconds before it, seconds counted by `clock`.

    The window's edge moves in whole seconds, so it spans between `size - 1` and `size` seconds. A clock that goes
    backwards adds to the newest second.
    """

    __slots__ = ("_clock", "_ring", "_second", "_size", "calls", "failures", "slow")

    def __init__(self, size: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._size = size
        self._ring = [[0, 0, 0] for _ in range(size)]
        self._second = floor(clock())
        self.calls = 0
        self.failures = 0
        self.slow = 0

    def record(self, outcome: int) -> None:
        """Add one of SUCCESS, FAILURE, SLOW_SUCCESS, SLOW_FAILURE to the current second."""
        if floor(self._clock()) > self._second:
            self.refresh()
        bucket = self._ring[self._second % self._size]
        calls, failures, slow = _WEIGHTS[outcome]
        bucket[0] += calls
        bucket[1] += failures
        bucket[2] += slow
        self.calls += calls
        self.failures += failures
        self.slow += slow

    def refresh(self) -> None:
        """Move the window to the current second: at most `size` steps, however long nothing happened."""
        now = floor(self._clock())
        passed = now - self._second
        if passed <= 0:
            return
        for second in range(now - min(passed, self._size) + 1, now + 1):
            bucket = self._ring[second % self._size]
            self.calls -= bucket[0]
            self.failures -= bucket[1]
            self.slow -= bucket[2]
            bucket[0] = bucket[1] = bucket[2] = 0
        self._second = now

"""How fast the number of replicas may change: the behaviour of Kubernetes' HPA.

A `Behaviour` turns the wishes of `autoscaler.py` into decisions: growing not above the lowest wish of its window,
shrinking not below the highest one of its window (stabilisation), neither faster than its rate policies, and within
minimum and maximum. Time is an argument, in seconds of any clock that never goes back.

Method: https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/#configurable-scaling-behavior
"""

from __future__ import annotations

import enum
import math
from collections import deque
from collections.abc import Collection

import msgspec


class Kind(enum.Enum):
    """What a rate policy's value counts."""

    COUNT = enum.auto()
    PERCENT = enum.auto()


class Select(enum.Enum):
    """Which of several policies holds: the one that allows the greatest or the least change, or no change at all."""

    MOST = enum.auto()
    LEAST = enum.auto()
    DISABLED = enum.auto()


class Rate(msgspec.Struct, frozen=True):
    """At most `value` replicas, or percent of those at its beginning, in any `period` of seconds."""

    kind: Kind
    value: float
    period: float


class Direction(msgspec.Struct, frozen=True):
    """How one direction behaves: its stabilisation window in seconds, its rate policies, which of them holds."""

    rates: Collection[Rate]
    window: float = 0.0
    select: Select = Select.MOST


class Reason(enum.Enum):
    """What held a decision back."""

    WITHIN_RANGE = enum.auto()
    SCALE_UP_LIMIT = enum.auto()
    SCALE_DOWN_LIMIT = enum.auto()
    TOO_MANY = enum.auto()
    TOO_FEW = enum.auto()


class _Recent:
    """The sum of what happened in the last `period` seconds; O(1) amortised."""

    __slots__ = ("_events", "_sum", "period")

    def __init__(self, period: float) -> None:
        self.period = period
        self._events: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, change: int, now: float) -> None:
        self._events.append((now, change))
        self._sum += change

    def sum(self, now: float) -> int:
        events, oldest = self._events, now - self.period
        while events and events[0][0] <= oldest:
            self._sum -= events.popleft()[1]
        return self._sum

    def next_change(self) -> float:
        return self._events[0][0] + self.period if self._events else math.inf


class _Extreme:
    """The highest (sign 1) or lowest (sign -1) number of the last `window` seconds; a monotonic queue, O(1) amortised.

    It never holds more entries than there are different numbers.
    """

    __slots__ = ("_numbers", "_sign", "_window")

    def __init__(self, sign: int, window: float) -> None:
        self._sign = sign
        self._window = window
        self._numbers: deque[tuple[float, int]] = deque()

    def with_new(self, number: int, now: float) -> int:
        numbers, value, oldest = self._numbers, number * self._sign, now - self._window
        while numbers and numbers[0][0] <= oldest:
            numbers.popleft()
        while numbers and numbers[-1][1] <= value:
            numbers.pop()
        numbers.append((now, value))
        return numbers[0][1] * self._sign


class Behaviour:
    """Turns wishes into decisions; remembers the wishes and the changes that its windows and periods still cover.

    Args:
        up, down: What holds for growing and for shrinking.
        minimum, maximum: Bounds of every decision, both included.
    """

    def __init__(self, up: Direction, down: Direction, minimum: int, maximum: int) -> None:
        self.up, self.down = up, down
        self.minimum, self.maximum = minimum, maximum
        self._lowest = _Extreme(-1, up.window)
        self._highest = _Extreme(1, down.window)
        self._grown = {rate.period: _Recent(rate.period) for rate in (*up.rates, *down.rates)}
        self._shrunk = {rate.period: _Recent(rate.period) for rate in (*up.rates, *down.rates)}

    def decide(self, current: int, wish: int, now: float) -> tuple[int, Reason]:
        """How many replicas there should be now. Whoever carries it out tells `changed`.

        Outside the bounds the nearer bound is the answer at once, whatever the rates allow.
        """
        wish = self.stabilise(current, wish, now)
        if current > self.maximum:
            return self.maximum, Reason.TOO_MANY
        if current < self.minimum and wish <= self.minimum:
            return self.minimum, Reason.TOO_FEW
        decision, reason = self.limit(current, wish, now)
        return (self.minimum, Reason.TOO_FEW) if decision < self.minimum else (decision, reason)

    def stabilise(self, current: int, wish: int, now: float) -> int:
        """Remembers a wish; the number nearest to `current` between the windows' lowest and highest one."""
        lowest = self._lowest.with_new(wish, now)
        highest = self._highest.with_new(wish, now)
        return min(max(current, lowest), highest)

    def limit(self, current: int, wish: int, now: float) -> tuple[int, Reason]:
        """`wish`, as far as rate policies and bounds allow."""
        if wish > current:
            rate_limit = max(current, self._up_limit(current, now))
            if wish > min(rate_limit, self.maximum):
                if rate_limit < self.maximum:
                    return rate_limit, Reason.SCALE_UP_LIMIT
                return self.maximum, Reason.TOO_MANY
        elif wish < current:
            rate_limit = min(current, self._down_limit(current, now))
            if wish < max(rate_limit, self.minimum):
                if rate_limit > self.minimum:
                    return rate_limit, Reason.SCALE_DOWN_LIMIT
                return self.minimum, Reason.TOO_FEW
        return wish, Reason.WITHIN_RANGE

    def changed(self, change: int, now: float) -> None:
        """So many replicas were added, or removed where it is less than 0."""
        if change:
            for recent in (self._grown if change > 0 else self._shrunk).values():
                recent.sum(now)
                recent.add(abs(change), now)

    def next_change(self) -> float:
        """When a rate policy for growing will allow more than now; infinity where nothing holds it back."""
        return min((self._grown[rate.period].next_change() for rate in self.up.rates), default=math.inf)

    def _at_beginning(self, current: int, rate: Rate, now: float) -> int:
        return current - self._grown[rate.period].sum(now) + self._shrunk[rate.period].sum(now)

    def _up_limit(self, current: int, now: float) -> int:
        if self.up.select is Select.DISABLED:
            return current
        limits = []
        for rate in self.up.rates:
            start = self._at_beginning(current, rate, now)
            # Rounded up, or one replica could never become two by a small percentage.
            more = rate.value if rate.kind is Kind.COUNT else start * rate.value / 100
            limits.append(math.ceil(start + more))
        return max(limits) if self.up.select is Select.MOST else min(limits)

    def _down_limit(self, current: int, now: float) -> int:
        if self.down.select is Select.DISABLED:
            return current
        limits = []
        for rate in self.down.rates:
            start = self._at_beginning(current, rate, now)
            less = rate.value if rate.kind is Kind.COUNT else start * rate.value / 100
            limits.append(math.trunc(start - less))
        return min(limits) if self.down.select is Select.MOST else max(limits)

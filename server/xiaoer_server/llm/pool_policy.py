"""How large a pool of connections may be and how it follows its load; what it holds, and how it refuses."""

from __future__ import annotations

from typing import Protocol

import msgspec

from xiaoer_server.llm.autoscaler import by_load
from xiaoer_server.llm.autoscaler_behaviour import Behaviour, Direction, Kind, Rate


class PoolFull(Exception):
    """As many wait as may wait."""


class PoolClosed(Exception):
    """The pool was closed, and no connection will come."""


class PoolPolicy(msgspec.Struct, frozen=True):
    """How large a pool may be, how full its connections should be, and how fast its size may change.

    `target` is the share of its `slots` that a connection should carry. Windows and periods are in seconds; in each
    period the size may change by the count or by the percentage, whichever is more.
    """

    minimum: int = 2
    maximum: int = 2000
    target: float = 0.8
    tolerance: float = 0.1
    idle_seconds: float = 30.0
    waiting_max: int = 10_000
    slots: int = 1
    scale_up_percent: float = 100
    scale_up_count: int = 64
    scale_up_period: float = 0.1
    scale_up_window: float = 0.0
    scale_down_percent: float = 50
    scale_down_count: int = 16
    scale_down_period: float = 5.0
    scale_down_window: float = 60.0

    def __post_init__(self) -> None:
        if not (0 <= self.minimum <= self.maximum and self.maximum >= 1):
            raise ValueError(f"0 <= minimum <= maximum and 1 <= maximum, not {self.minimum} and {self.maximum}")
        if self.slots < 1 or not 0 < self.target <= 1:
            raise ValueError(f"slots is 1 or more and 0 < target <= 1, not {self.slots} and {self.target}")

    def behaviour(self) -> Behaviour:
        """The scaling behaviour of one pool."""
        up = _direction(self.scale_up_percent, self.scale_up_count, self.scale_up_period, self.scale_up_window)
        down = _direction(
            self.scale_down_percent, self.scale_down_count, self.scale_down_period, self.scale_down_window
        )
        return Behaviour(up, down, self.minimum, self.maximum)

    def wish(self, ready: int, connecting: int, load: int) -> int:
        """Connections for `load` calls under way or waiting."""
        wish = by_load(ready, connecting, load, self.target * self.slots, self.tolerance)
        return max(wish, -(-load // self.slots))


def _direction(percent: float, count: int, period: float, window: float) -> Direction:
    return Direction((Rate(Kind.PERCENT, percent, period), Rate(Kind.COUNT, count, period)), window)


class Pooled(Protocol):
    """What a pool holds. `usable` is asked often, so it should be no more than an attribute's look-up."""

    @property
    def usable(self) -> bool: ...

    def close(self) -> None: ...

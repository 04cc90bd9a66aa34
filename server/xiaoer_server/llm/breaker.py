"""A circuit breaker for one upstream and model: it stops calls that would fail, and lets a few try again later.

The semantics and defaults are resilience4j's (CircuitBreakerStateMachine and CircuitBreakerMetrics, Apache-2.0,
https://resilience4j.readme.io/docs/circuitbreaker); its own test cases are run as data, see
`tests/vectors/resilience4j_circuitbreaker.json`.

    CLOSED        everything passes; the window's failure or slow-call rate at or over its threshold opens
    OPEN          nothing passes until `open_seconds` are over; the window that opened it can still be read
    HALF_OPEN     `probes` calls pass; their results, in a window of their own, close or open again
    FORCED_OPEN   nothing passes, nothing is measured, until somebody changes it
    DISABLED      everything passes, nothing is measured
    METRICS_ONLY  everything passes, everything is measured, nothing opens

A permission that `try_acquire` gave is ended exactly once: by `success`, `failure` or `release`.

Results that come late, after the state has changed:

- in OPEN they still go into the window that opened the breaker, and change nothing else (as in resilience4j);
- in FORCED_OPEN and DISABLED they are dropped (as in resilience4j);
- in HALF_OPEN resilience4j takes any result for a probe's, and any permission given back for a probe's. Here no more
  results count than permissions are out, and no more permissions exist than `probes`; the rest is dropped;
- who hands the `era` back that was current when the permission was given is exact in every state: a result of another
  era is dropped. An era is the life of one window; OPEN keeps the era of the state before it.

There is no timer. What is due (`automatic_half_open`, `max_half_open_seconds`) happens at the next look at the
breaker, as if it had happened at its time; only `on_change` hears of it as late as that look. One thread only.
"""

from __future__ import annotations

import enum
import logging
import time
from collections.abc import Callable
from typing import Literal

import msgspec

from .window import FAILURE, SLOW_FAILURE, SLOW_SUCCESS, SUCCESS, CountWindow, TimeWindow

logger = logging.getLogger(__name__)

# While all probes are out nobody knows when a permission comes free; asking again after a second costs little.
_PROBE_WAIT = 1.0
# OPEN ends strictly after `open_seconds`: at the very moment a caller is refused and must not be told "now".
_SHORTEST_WAIT = 0.001


class State(enum.Enum):
    """The breaker's states; the values are what metrics and the command line show."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    FORCED_OPEN = "forced_open"
    DISABLED = "disabled"
    METRICS_ONLY = "metrics_only"


class BreakerPolicy(msgspec.Struct, frozen=True):
    """When a breaker opens and how it comes back. Rates are shares (0 < rate <= 1) and are reached by being equal.

    `window_size` counts calls ("count") or whole seconds ("time"). A call is slow when it took longer than
    `slow_seconds`. With a count window `minimum_calls` is never more than the window holds. `max_half_open_seconds`
    0 waits for the probes for ever. ValueError for what makes no sense.
    """

    window: Literal["count", "time"] = "count"
    window_size: int = 100
    minimum_calls: int = 100
    failure_rate: float = 0.5
    slow_rate: float = 1.0
    slow_seconds: float = 60.0
    open_seconds: float = 60.0
    probes: int = 10
    max_half_open_seconds: float = 0.0
    automatic_half_open: bool = False

    def __post_init__(self) -> None:
        for name in ("window_size", "minimum_calls", "probes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in ("failure_rate", "slow_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be over 0 and at most 1")
        for name in ("slow_seconds", "open_seconds", "max_half_open_seconds"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be finite and not negative")
        if self.window not in ("count", "time"):
            raise ValueError('window must be "count" or "time"')


class Snapshot(msgspec.Struct, frozen=True):
    """What the current window holds. The rates are shares, -1.0 below the minimum of calls."""

    calls: int
    failures: int
    slow: int
    failure_rate: float
    slow_rate: float
    not_permitted: int


class Breaker:
    """One circuit breaker.

    Args:
        name: For logs and metrics.
        policy: See `BreakerPolicy`.
        clock: Seconds, monotonic.
        on_change: Called with (breaker, old state, new state) after a change; what it raises is logged and dropped.

    `era` is the number of the current window (see the module), `not_permitted_total` counts refusals since the
    beginning, while `snapshot().not_permitted` counts those of the current window as resilience4j does.
    """

    __slots__ = (
        "_clock",
        "_failure_rate",
        "_free",
        "_minimum",
        "_not_permitted",
        "_on_change",
        "_out",
        "_slow_rate",
        "_slow_seconds",
        "_state",
        "_until",
        "_window",
        "era",
        "name",
        "not_permitted_total",
        "policy",
    )

    def __init__(
        self,
        name: str,
        policy: BreakerPolicy,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[Breaker, State, State], None] | None = None,
    ) -> None:
        self.name = name
        self.policy = policy
        self._clock = clock
        self._on_change = on_change
        self._failure_rate = policy.failure_rate
        self._slow_rate = policy.slow_rate
        self._slow_seconds = policy.slow_seconds
        self.not_permitted_total = 0
        self.era = 0
        self._state = State.CLOSED
        self._window: CountWindow | TimeWindow
        self._enter(State.CLOSED, 0.0)

    # Calls.

    def try_acquire(self) -> bool:
        """May a call be sent now? A yes must be ended by `success`, `failure` or `release`."""
        if self._free:
            return True
        self._catch_up()
        if self._state is State.OPEN and self._clock() > self._until:
            self._change(State.HALF_OPEN, self._clock())
            return self.try_acquire()  # from the start: a callback of the change may have done anything
        if self._state is State.HALF_OPEN and self._out + self._window.calls < self.policy.probes:
            self._out += 1
            return True
        self._not_permitted += 1
        self.not_permitted_total += 1
        return False

    def release(self, era: int | None = None) -> None:
        """Give a permission back: the call was cancelled, or failed for a reason that says nothing of the upstream."""
        if self._free:
            return
        self._catch_up()
        if self._state is State.HALF_OPEN and self._out and (era is None or era == self.era):
            self._out -= 1

    def success(self, seconds: float, era: int | None = None) -> None:
        """The call was answered after `seconds`."""
        self._record(SLOW_SUCCESS if seconds > self._slow_seconds else SUCCESS, era)

    def failure(self, seconds: float, era: int | None = None) -> None:
        """The call failed after `seconds`, and the upstream is to blame."""
        self._record(SLOW_FAILURE if seconds > self._slow_seconds else FAILURE, era)

    # Reading.

    @property
    def state(self) -> State:
        """The state now. OPEN stays OPEN after its time until a call asks, unless `automatic_half_open`."""
        if not self._free:
            self._catch_up()
        return self._state

    @property
    def retry_after(self) -> float:
        """Seconds until a call may be allowed, 0 if one is allowed now.

        A second while all probes are out, since nobody knows when one comes back; `open_seconds`, but at least a
        second, when forced open.
        """
        state = self.state
        if self._free:
            return 0.0
        if state is State.FORCED_OPEN:
            return max(self.policy.open_seconds, _PROBE_WAIT)
        if state is State.HALF_OPEN:
            return 0.0 if self._out + self._window.calls < self.policy.probes else _PROBE_WAIT
        wait = self._until - self._clock()
        return max(wait, _SHORTEST_WAIT) if wait >= 0 else 0.0

    def snapshot(self) -> Snapshot:
        """The sums of the current window, in OPEN of the window that opened it."""
        if not self._free:
            self._catch_up()
        window = self._window
        window.refresh()
        calls = window.calls
        enough = calls > 0 and calls >= self._minimum
        return Snapshot(
            calls,
            window.failures,
            window.slow,
            window.failures / calls if enough else -1.0,
            window.slow / calls if enough else -1.0,
            self._not_permitted,
        )

    # By hand. Each starts its state anew, also when the breaker is in it already (then `on_change` is not called).

    def open(self) -> None:
        """Open as if a rate had been reached: the wait begins now, the window stays readable."""
        self._command(State.OPEN)

    def half_open(self) -> None:
        """Let probes through now. ValueError when the breaker is closed."""
        if self.state is State.CLOSED:
            raise ValueError(f"breaker {self.name!r}: closed cannot become half-open")
        self._command(State.HALF_OPEN)

    def close(self) -> None:
        """Close with an empty window."""
        self._command(State.CLOSED)

    def reset(self) -> None:
        """The same as `close`: closed, everything measured forgotten."""
        self._command(State.CLOSED)

    def force_open(self) -> None:
        """Refuse everything until somebody changes it."""
        self._command(State.FORCED_OPEN)

    def disable(self) -> None:
        """Let everything through and measure nothing."""
        self._command(State.DISABLED)

    def metrics_only(self) -> None:
        """Let everything through and measure, never open."""
        self._command(State.METRICS_ONLY)

    # Inside.

    def _record(self, outcome: int, era: int | None) -> None:
        if not self._free:
            self._catch_up()
        if era is not None and era != self.era:
            return
        state = self._state
        window = self._window
        if state is State.HALF_OPEN:
            if not self._out:  # nobody probes: a result of an earlier state
                return
            self._out -= 1
        window.record(outcome)
        calls = window.calls
        if calls < self._minimum or (state is not State.CLOSED and state is not State.HALF_OPEN):
            return
        # Divided, not multiplied: 7 / 10 >= 0.7 holds in doubles, 7 >= 0.7 * 10 does not.
        if window.failures / calls >= self._failure_rate or window.slow / calls >= self._slow_rate:
            self._change(State.OPEN, self._clock())
        elif state is State.HALF_OPEN:
            self._change(State.CLOSED, self._clock())

    def _command(self, state: State) -> None:
        self._catch_up()
        self._change(state, self._clock())

    def _change(self, new: State, now: float) -> None:
        old = self._state
        self._enter(new, now)
        if self._on_change is not None and new is not old:
            try:
                self._on_change(self, old, new)
            except Exception:
                logger.exception("breaker %s: on_change failed", self.name)

    def _enter(self, state: State, now: float) -> None:
        policy = self.policy
        self._state = state
        self._free = state in (State.CLOSED, State.DISABLED, State.METRICS_ONLY)
        self._out = 0
        if state is State.OPEN:
            self._until = now + policy.open_seconds
            return  # window, era and count of refusals are those of the state before
        self._until = now + policy.max_half_open_seconds
        self._not_permitted = 0
        self.era += 1
        self._minimum = policy.minimum_calls
        if state is State.HALF_OPEN:
            self._window = self._count(policy.probes)
        elif state is State.FORCED_OPEN or state is State.DISABLED:
            self._window = self._count(0)
        elif policy.window == "count":
            self._window = self._count(policy.window_size)
        else:
            self._window = TimeWindow(policy.window_size, self._clock)

    def _count(self, size: int) -> CountWindow:
        self._minimum = max(1, min(self.policy.minimum_calls, size))
        return CountWindow(size)

    def _catch_up(self) -> None:
        """Do the changes that were due by now, each at its time."""
        policy = self.policy
        waits = policy.max_half_open_seconds
        while True:
            opens = self._state is State.OPEN and policy.automatic_half_open
            if not opens and not (self._state is State.HALF_OPEN and waits):
                return
            now = self._clock()
            due = self._until
            if now < due:
                return
            if opens and waits:  # nobody looked for many rounds of open and half-open: leave whole rounds out
                due += (now - due) // (policy.open_seconds + waits) * (policy.open_seconds + waits)
            self._change(State.HALF_OPEN if opens else State.OPEN, due)

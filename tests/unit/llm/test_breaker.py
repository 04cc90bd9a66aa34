"""The breaker against a slow model that keeps every call in a list, and its edges."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from xiaoer_server.llm.breaker import Breaker, BreakerPolicy, State

S = State
FREE = (S.CLOSED, S.DISABLED, S.METRICS_ONLY)


class Clock:
    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Model:
    """All calls in a list of (time, failed, slow), cut to the window whenever somebody looks; every change that was
    due is played, one after the other.
    """

    def __init__(self, policy: BreakerPolicy, clock: Clock) -> None:
        self.policy = policy
        self.clock = clock
        self.changes: list[tuple[State, State]] = []
        self.total = 0
        self.era = 0
        self.state = S.CLOSED
        self.enter(S.CLOSED, clock.now)

    def enter(self, state: State, now: float) -> None:
        if state is not self.state:
            self.changes.append((self.state, state))
        self.state, self.since, self.out = state, now, 0
        if state is S.OPEN:
            return
        self.calls: list[tuple[float, bool, bool]] = []
        self.refused = 0
        self.era += 1
        self.by_time = self.policy.window == "time"
        self.size = self.policy.window_size
        if state is S.HALF_OPEN:
            self.by_time, self.size = False, self.policy.probes
        elif state in (S.FORCED_OPEN, S.DISABLED):
            self.by_time, self.size = False, 0

    def tick(self) -> None:
        policy, now = self.policy, self.clock.now
        while True:
            if self.state is S.OPEN and policy.automatic_half_open and now >= self.since + policy.open_seconds:
                self.enter(S.HALF_OPEN, self.since + policy.open_seconds)
            elif (
                self.state is S.HALF_OPEN
                and policy.max_half_open_seconds
                and now >= self.since + policy.max_half_open_seconds
            ):
                self.enter(S.OPEN, self.since + policy.max_half_open_seconds)
            else:
                return

    def window(self) -> list[tuple[float, bool, bool]]:
        if self.by_time:
            oldest = math.floor(self.clock.now) - self.size + 1
            return [call for call in self.calls if math.floor(call[0]) >= oldest]
        return self.calls[max(0, len(self.calls) - self.size) :]

    def rates(self) -> tuple[float, float]:
        window = self.window()
        minimum = self.policy.minimum_calls if self.by_time else min(self.policy.minimum_calls, self.size)
        if not window or len(window) < minimum:
            return -1.0, -1.0
        return sum(c[1] for c in window) / len(window), sum(c[2] for c in window) / len(window)

    def acquire(self) -> bool:
        self.tick()
        if self.state is S.OPEN and self.clock.now > self.since + self.policy.open_seconds:
            self.enter(S.HALF_OPEN, self.clock.now)
        if self.state in FREE:
            return True
        if self.state is S.HALF_OPEN and self.out + len(self.calls) < self.policy.probes:
            self.out += 1
            return True
        self.refused += 1
        self.total += 1
        return False

    def end(self, failed: bool | None, seconds: float, era: int | None) -> None:
        self.tick()
        if era is not None and era != self.era:
            return
        if self.state is S.HALF_OPEN:
            if not self.out:
                return
            self.out -= 1
        if failed is None or not self.size:
            return
        self.calls.append((self.clock.now, failed, seconds > self.policy.slow_seconds))
        failure, slow = self.rates()
        if self.state in (S.CLOSED, S.HALF_OPEN) and failure >= 0:
            if failure >= self.policy.failure_rate or slow >= self.policy.slow_rate:
                self.enter(S.OPEN, self.clock.now)
            elif self.state is S.HALF_OPEN:
                self.enter(S.CLOSED, self.clock.now)


# Quarters of a second are exact in doubles, so both sides see the very same moments.
quarters = st.integers(0, 60).map(lambda quarter: quarter / 4)
policies = st.builds(
    BreakerPolicy,
    window=st.sampled_from(["count", "time"]),
    window_size=st.integers(1, 8),
    minimum_calls=st.integers(1, 10),
    failure_rate=st.sampled_from([0.01, 0.3, 0.5, 0.7, 1.0]),
    slow_rate=st.sampled_from([0.01, 0.5, 1.0]),
    slow_seconds=st.sampled_from([0.0, 2.0]),
    open_seconds=st.sampled_from([0.0, 1.0, 5.0]),
    probes=st.integers(1, 5),
    max_half_open_seconds=st.sampled_from([0.0, 2.0]),
    automatic_half_open=st.booleans(),
)


class Machine(RuleBasedStateMachine):
    @initialize(policy=policies)
    def start(self, policy: BreakerPolicy) -> None:
        self.clock = Clock()
        self.changes: list[tuple[State, State]] = []
        self.breaker = Breaker(
            "sim", policy, clock=self.clock, on_change=lambda _, old, new: self.changes.append((old, new))
        )
        self.model = Model(policy, self.clock)
        self.eras: list[tuple[int, int]] = []  # the breaker's and the model's, which plays rounds that nobody saw

    @rule(seconds=quarters)
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def acquire(self) -> None:
        allowed = self.breaker.try_acquire()
        assert allowed == self.model.acquire()
        if allowed:
            self.eras.append((self.breaker.era, self.model.era))

    @rule(failed=st.sampled_from([True, False, None]), seconds=quarters, keep=st.booleans(), at=st.integers(0, 99))
    def end(self, failed: bool | None, seconds: float, keep: bool, at: int) -> None:
        """Calls end in any order, some of them in a later state; some callers keep the era, some don't."""
        era, models_era = self.eras.pop(at % len(self.eras)) if self.eras else (None, None)
        if not keep:
            era = models_era = None
        if failed is None:
            self.breaker.release(era)
        elif failed:
            self.breaker.failure(seconds, era)
        else:
            self.breaker.success(seconds, era)
        self.model.end(failed, seconds, models_era)

    @rule(state=st.sampled_from(State))
    def command(self, state: State) -> None:
        commands = {
            S.CLOSED: self.breaker.close,
            S.OPEN: self.breaker.open,
            S.HALF_OPEN: self.breaker.half_open,
            S.FORCED_OPEN: self.breaker.force_open,
            S.DISABLED: self.breaker.disable,
            S.METRICS_ONLY: self.breaker.metrics_only,
        }
        self.model.tick()
        if state is S.HALF_OPEN and self.model.state is S.CLOSED:
            with pytest.raises(ValueError, match="half-open"):
                self.breaker.half_open()
            return
        commands[state]()
        self.model.enter(state, self.clock.now)

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "model"):
            return
        self.model.tick()
        assert self.breaker.state is self.model.state
        seen = self.breaker.snapshot()
        window = self.model.window()
        assert (seen.calls, seen.failures, seen.slow) == (
            len(window),
            sum(c[1] for c in window),
            sum(c[2] for c in window),
        )
        assert (seen.failure_rate, seen.slow_rate) == self.model.rates()
        assert (seen.not_permitted, self.breaker.not_permitted_total) == (self.model.refused, self.model.total)
        policy = self.model.policy
        allowed = self.model.state in FREE
        if self.model.state is S.HALF_OPEN:
            allowed = self.model.out + len(self.model.calls) < policy.probes
        elif self.model.state is S.OPEN:
            allowed = self.clock.now > self.model.since + policy.open_seconds
        assert (self.breaker.retry_after == 0) == allowed
        for earlier, later in pairwise(self.changes):
            assert earlier[1] is later[0]


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)


def opened(clock: Clock, **settings_: object) -> Breaker:
    settings_ = {"minimum_calls": 2, "window_size": 10, "open_seconds": 10.0, "probes": 2, **settings_}
    breaker = Breaker("sim", BreakerPolicy(**settings_), clock=clock)  # type: ignore[arg-type]
    for _ in range(2):
        assert breaker.try_acquire()
        breaker.failure(0.1)
    assert breaker.state is S.OPEN
    return breaker


def test_the_documented_defaults() -> None:
    policy = BreakerPolicy()
    assert (policy.window, policy.window_size, policy.minimum_calls) == ("count", 100, 100)
    assert (policy.failure_rate, policy.slow_rate, policy.slow_seconds) == (0.5, 1.0, 60.0)
    assert (policy.open_seconds, policy.probes, policy.max_half_open_seconds) == (60.0, 10, 0.0)
    assert policy.automatic_half_open is False


def test_a_result_of_another_era_does_not_decide_over_the_probes() -> None:
    """Calls that hung while the upstream was down fail at last, while it is being tried again."""
    clock = Clock()
    breaker = Breaker("sim", BreakerPolicy(window_size=4, minimum_calls=2, probes=2, open_seconds=10), clock=clock)
    assert all(breaker.try_acquire() for _ in range(10))
    old = breaker.era
    breaker.failure(1, old)
    breaker.failure(1, old)
    breaker.failure(1, old)  # still read into the window that opened it
    assert breaker.snapshot().failures == 3
    clock.now += 11
    assert breaker.try_acquire()
    new = breaker.era
    assert new != old
    for _ in range(5):
        breaker.failure(12, old)
        breaker.release(old)
    assert breaker.state is S.HALF_OPEN
    assert breaker.snapshot().calls == 0
    breaker.success(1, new)
    assert breaker.try_acquire()
    breaker.success(1, breaker.era)
    assert breaker.state is S.CLOSED
    breaker.failure(20, old)
    assert breaker.snapshot().calls == 0


def test_without_an_era_late_results_are_bounded_by_the_probes_that_are_out() -> None:
    clock = Clock()
    breaker = opened(clock)
    clock.now += 11
    assert breaker.try_acquire()
    breaker.release()
    breaker.release()
    breaker.release()  # resilience4j would allow four probes now
    breaker.failure(1)
    breaker.failure(1)  # nobody is out: not a probe's
    assert breaker.state is S.HALF_OPEN
    assert [breaker.try_acquire() for _ in range(4)] == [True, True, False, False]


def test_retry_after_counts_down_and_is_never_now_while_refused() -> None:
    clock = Clock()
    breaker = opened(clock)
    assert breaker.retry_after == 10
    clock.now += 4
    assert breaker.retry_after == 6
    clock.now += 6
    assert not breaker.try_acquire()
    assert 0 < breaker.retry_after < 0.01
    clock.now += 0.25
    assert breaker.retry_after == 0
    assert breaker.state is S.OPEN  # nobody asked yet
    assert breaker.try_acquire()
    assert breaker.state is S.HALF_OPEN
    assert breaker.retry_after == 0
    assert breaker.try_acquire()
    assert breaker.retry_after == 1
    breaker.force_open()
    assert breaker.retry_after == 10


def test_rounds_that_nobody_saw_are_left_out_not_played() -> None:
    clock = Clock()
    changes: list[State] = []
    breaker = Breaker(
        "sim",
        BreakerPolicy(open_seconds=3, max_half_open_seconds=2, automatic_half_open=True),
        clock=clock,
        on_change=lambda _, old, new: changes.append(new),
    )
    breaker.open()
    clock.now += 5_000_000 + 4  # a million rounds of five seconds, then the half-open part of one more
    assert breaker.state is S.HALF_OPEN
    clock.now += 1
    assert breaker.state is S.OPEN
    assert breaker.retry_after == 3
    assert changes == [S.OPEN, S.HALF_OPEN, S.OPEN]


def test_what_on_change_raises_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def broken(breaker: Breaker, old: State, new: State) -> None:
        raise RuntimeError("broken")

    breaker = Breaker("sim", BreakerPolicy(), clock=Clock(), on_change=broken)
    breaker.force_open()
    assert not breaker.try_acquire()
    assert "on_change failed" in caplog.text


def test_a_callback_may_command_the_breaker() -> None:
    clock = Clock()

    def stay_shut(breaker: Breaker, old: State, new: State) -> None:
        if new is S.HALF_OPEN:
            breaker.force_open()

    breaker = Breaker("sim", BreakerPolicy(open_seconds=1), clock=clock, on_change=stay_shut)
    breaker.open()
    clock.now += 2
    assert not breaker.try_acquire()
    assert breaker.state is S.FORCED_OPEN


@pytest.mark.parametrize(
    "settings_",
    [
        {"window_size": 0},
        {"minimum_calls": 0},
        {"probes": 0},
        {"failure_rate": 0.0},
        {"failure_rate": 1.1},
        {"failure_rate": math.nan},
        {"slow_rate": 0.0},
        {"open_seconds": -1.0},
        {"open_seconds": math.inf},
        {"slow_seconds": math.nan},
        {"window": "calls"},
    ],
)
def test_policies_without_sense_are_refused(settings_: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings_))):
        BreakerPolicy(**settings_)  # type: ignore[arg-type]


@given(st.integers(1, 1000), st.integers(1, 100))
def test_equal_is_reached(calls: int, percent: int) -> None:
    """A share of exactly the threshold opens, one call fewer does not, whatever doubles make of it."""
    if calls * percent % 100:
        calls *= 100
    failures = calls * percent // 100
    for failed, state in ((failures, S.OPEN), (failures - 1, S.CLOSED)):
        policy = BreakerPolicy(window_size=calls, minimum_calls=calls, failure_rate=percent / 100)
        breaker = Breaker("sim", policy, clock=Clock())
        breaker._window.calls, breaker._window.failures = calls, failed  # as if recorded
        breaker._window._ring[-1] = 0  # type: ignore[index]
        breaker._window._at = calls - 1  # type: ignore[union-attr]
        breaker.success(0)
        assert breaker.state is state

"""Retry budget against a list of all moments, the jitter's range, and Retry-After."""

from __future__ import annotations

import math
import random
from email.utils import formatdate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from xiaoer_server.llm.retry import RetryBudget, full_jitter, retry_after


class Clock:
    def __init__(self, now: float = 50.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Machine(RuleBasedStateMachine):
    """Never over the ratio beyond the floor in the window that ends at any retry, and not stingy either."""

    @initialize(
        ratio=st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]),
        floor=st.integers(0, 4),
        window=st.sampled_from([0.5, 5.0, 10.0]),
    )
    def start(self, ratio: float, floor: int, window: float) -> None:
        self.clock = Clock()
        self.ratio, self.floor, self.window = ratio, floor, window
        self.budget = RetryBudget(ratio, floor=floor, window=window, clock=self.clock)
        self.first: list[float] = []
        self.retries: list[float] = []

    def since(self, moments: list[float], seconds: float) -> int:
        return sum(self.clock.now - moment < seconds for moment in moments)

    @rule(sixteenths=st.one_of(st.integers(0, 16), st.integers(0, 400)))
    def wait(self, sixteenths: int) -> None:
        self.clock.now += sixteenths / 16

    @rule(times=st.integers(1, 40))
    def deposit(self, times: int) -> None:
        for _ in range(times):
            self.budget.deposit()
            self.first.append(self.clock.now)

    @rule(times=st.integers(1, 12))
    def withdraw(self, times: int) -> None:
        step = self.window / 20 + 1e-9
        for _ in range(times):
            # What even the unlucky side of the twentieths must allow.
            certain = self.ratio * self.since(self.first, self.window - step)
            spent = self.since(self.retries, self.window + step)
            granted = self.budget.withdraw()
            if spent + 1 <= max(self.floor, certain):
                assert granted
            if granted:
                self.retries.append(self.clock.now)
                allowed = max(self.floor, self.ratio * self.since(self.first, self.window) + 1e-9)
                assert self.since(self.retries, self.window) <= allowed


TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


@given(st.integers(100, 5000), st.randoms())
@settings(max_examples=30)
def test_from_a_hundred_calls_a_window_on_never_over_ten_percent(calls: int, shuffle: random.Random) -> None:
    """An upstream that fails every call: the load that it gets on top is at most a tenth, floor or not."""
    clock = Clock()
    budget = RetryBudget(clock=clock)
    granted = 0
    for _ in range(calls):
        budget.deposit()
        clock.now += shuffle.random() * 9 / calls
        granted += sum(budget.withdraw() for _ in range(3))
    assert granted <= calls / 10
    assert granted >= calls // 10 - 1


def test_over_a_long_time_the_extra_load_stays_a_tenth() -> None:
    clock = Clock(0.0)
    budget = RetryBudget(clock=clock)
    granted = 0
    for _ in range(60_000):  # twenty minutes at 50 calls a second
        clock.now += 0.02
        budget.deposit()
        granted += budget.withdraw()
    assert 5_400 <= granted <= 6_000


def test_the_floor_lets_a_quiet_server_retry() -> None:
    clock = Clock()
    budget = RetryBudget(clock=clock)
    budget.deposit()
    assert [budget.withdraw() for _ in range(11)] == [True] * 10 + [False]
    clock.now += 10.5
    assert budget.withdraw()


def test_attempts_leave_the_window_in_time_and_retries_not_before() -> None:
    clock = Clock(50.2)
    budget = RetryBudget(0.5, floor=0, window=10.0, clock=clock)
    for _ in range(4):
        budget.deposit()
    clock.now = 59.9  # the attempts are 9.7 s old, nearly gone, and pay for two
    assert budget.withdraw()
    clock.now = 60.3
    assert not budget.withdraw()
    for _ in range(4):
        budget.deposit()
    clock.now = 69.8  # the retry is 9.9 s old and still counts
    assert [budget.withdraw() for _ in range(2)] == [True, False]


def test_no_floor_and_no_calls_is_no_retry() -> None:
    assert not RetryBudget(floor=0, clock=Clock()).withdraw()


def test_a_clock_that_goes_back_gives_nothing() -> None:
    clock = Clock()
    budget = RetryBudget(clock=clock, floor=1)
    assert budget.withdraw()
    clock.now -= 40
    assert not budget.withdraw()
    budget.deposit()


@pytest.mark.parametrize("wrong", [{"ratio": 1.1}, {"ratio": math.nan}, {"floor": -1}, {"window": 0.0}])
def test_budgets_without_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetryBudget(**wrong)  # type: ignore[arg-type]


@given(st.integers(0, 10**6), st.floats(0, 1, exclude_max=True))
def test_jitter_is_within_the_doubled_base_and_the_cap(attempt: int, drawn: float) -> None:
    wait = full_jitter(attempt, base=0.1, cap=2.0, random=lambda: drawn)
    assert 0 <= wait < 2.0 or wait == drawn * 2.0
    assert wait == pytest.approx(drawn * min(2.0, 0.1 * 2 ** min(attempt, 10)))


def test_jitter_is_drawn_evenly_from_zero() -> None:
    draw = random.Random(7).random
    waits = [full_jitter(3, random=draw) for _ in range(20_000)]
    tenths = [sum(low / 10 <= wait / 0.8 < (low + 1) / 10 for wait in waits) for low in range(10)]
    assert sum(tenths) == 20_000
    assert all(1_800 < count < 2_200 for count in tenths)


def test_a_negative_attempt_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="attempt"):
        full_jitter(-1)


NOW = 1_790_000_000  # Mon, 21 Sep 2026 14:13:20 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (b"120", 120),
        (" 7\t", 7),
        ("007", 7),
        ("86400", 86400),
        ("86401", 86400),
        ("9" * 10_000, 86400),
        ("0" * 10_000 + "3", 3),
        ("Mon, 21 Sep 2026 14:13:50 GMT", 30),
        (b"Mon, 21 Sep 2026 14:13:50 GMT", 30),
        ("Monday, 21-Sep-26 14:13:50 GMT", 30),
        ("Mon Sep 21 14:13:50 2026", 30),
        ("Tue Sep  1 14:13:50 2026", 0),
        ("Thu Oct  1 14:13:50 2026", 86400),
        ("Mon, 21 Sep 2026 14:13:60 GMT", 40),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0),
        ("Sun Nov  6 08:49:37 1994", 0),
        ("Sat, 21 Nov 2076 14:13:20 GMT", 86400),
        ("Saturday, 21-Nov-76 14:13:20 GMT", 86400),
        ("Monday, 21-Nov-77 14:13:20 GMT", 0),
        ("Tue, 29 Feb 2028 00:00:00 GMT", 86400),
    ],
)
def test_retry_after_is_read(value: str | bytes, seconds: float) -> None:
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " ",
        "-1",
        "+1",
        "1.5",
        "1e3",
        "1 2",
        "1_0",
        "٣",
        "１２",
        "²",
        b"\xff",
        "soon",
        "inf",
        "nan",
        "12\n",
        "Mon, 21 Sep 2026 14:13:50 +0200",
        "Mon, 21 Sep 2026 14:13:50",
        "mon, 21 sep 2026 14:13:50 gmt",
        "Mon, 32 Sep 2026 14:13:50 GMT",
        "Mon, 29 Feb 2027 14:13:50 GMT",
        "Mon, 00 Sep 2026 14:13:50 GMT",
        "Mon, 21 Sep 0000 14:13:50 GMT",
        "Mon, 21 Sep 2026 24:13:50 GMT",
        "Mon, 21 Sep 2026 14:60:50 GMT",
        "Mon, 21 Sep 2026 14:13:61 GMT",
        "Mon, 2１ Sep 2026 14:13:50 GMT",
        "Mon, 21 Sep 2026 14:13:50 GMT, 5",
        "2026-09-21T14:13:50Z",
    ],
)
def test_junk_is_none(value: str | bytes | None) -> None:
    assert retry_after(value, NOW) is None


@given(st.one_of(st.text(), st.binary(), st.integers().map(str)))
def test_whatever_comes_is_none_or_within_a_day(value: str | bytes) -> None:
    seconds = retry_after(value, NOW)
    assert seconds is None or 0 <= seconds <= 86_400


@given(st.integers(0, 4_102_444_800), st.integers(-100_000, 100_000))
def test_dates_of_the_standard_library_are_read(now: int, ahead: int) -> None:
    moment = max(now + ahead, 0)
    assert retry_after(formatdate(moment, usegmt=True), now) == min(max(moment - now, 0), 86_400)


def test_the_clock_of_the_system_is_the_default() -> None:
    import time

    seconds = retry_after(formatdate(time.time() + 100, usegmt=True))
    assert seconds is not None
    assert 95 < seconds <= 101

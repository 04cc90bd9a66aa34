"""What one key may ask for, on a clock of the test's own."""

import sys
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xiaoer_server.errors import Forbidden, RateLimited, ServerError, Unauthorized
from xiaoer_server.llm.quota import Caller
from xiaoer_server.store.keys import ApiKey

NOVEMBER = datetime(2026, 11, 30, 23, 59, 0, tzinfo=UTC).timestamp()


class Clock:
    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Desk:
    """A caller with its clocks, and what it is told."""

    def __init__(self, *, spent: float = 0.0, **limits: Any) -> None:
        self.clock, self.wall = Clock(), Clock(NOVEMBER)
        key = ApiKey("id", "demo", "name", "xk-abcd…", **limits)
        self.caller = Caller(key, spent=spent, clock=self.clock, wall=self.wall)

    def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        self.wall.now += seconds

    def ask(self, model: str = "m", *, stream: bool = False, tokens: int = 0) -> ServerError | None:
        try:
            self.caller.admit(model, stream=stream, prompt_estimate=tokens)
        except ServerError as error:
            return error
        return None


def refused(error: ServerError | None, code: str, wait: float | None) -> bool:
    assert isinstance(error, RateLimited)
    assert error.code == code
    assert error.retry_after == (None if wait is None else pytest.approx(wait, abs=1e-3))
    return True


def test_without_limits_everything_passes() -> None:
    desk = Desk()
    for _ in range(1000):
        assert desk.ask(stream=True, tokens=10**9) is None
        desk.caller.spend(10**9, 10**9)
    assert desk.caller.streams == 1000
    for _ in range(1000):
        desk.caller.leave(True, 10**9)
    assert desk.caller.streams == 0


def test_requests_a_minute() -> None:
    desk = Desk(requests_per_minute=60)
    assert all(desk.ask() is None for _ in range(60))
    assert refused(desk.ask(), "requests_per_minute", 1.0)
    assert refused(desk.ask(), "requests_per_minute", 1.0), "a refusal costs nothing"
    desk.wait(0.5)
    assert refused(desk.ask(), "requests_per_minute", 0.5)
    desk.wait(0.5)
    assert desk.ask() is None
    assert refused(desk.ask(), "requests_per_minute", 1.0)
    desk.wait(3600)
    assert sum(desk.ask() is None for _ in range(200)) == 60, "an hour of rest saves up one minute, not sixty"


def test_tokens_are_charged_when_they_are_known() -> None:
    desk = Desk(tokens_per_minute=6000)
    assert desk.ask(tokens=1000) is None
    desk.caller.spend(4000, 0.0)  # more than thought
    desk.caller.leave(False, 1000)
    assert refused(desk.ask(tokens=2001), "tokens_per_minute", 0.01)
    assert desk.ask(tokens=2000) is None
    desk.caller.leave(False, 2000)  # cancelled before anything was used
    assert desk.ask(tokens=2000) is None


def test_a_cancelled_call_pays_only_what_it_used() -> None:
    desk = Desk(tokens_per_minute=6000)
    assert desk.ask(tokens=5000) is None
    assert refused(desk.ask(tokens=1001), "tokens_per_minute", 0.01)
    desk.caller.spend(100, 0.0)
    desk.caller.leave(False, 5000)
    assert refused(desk.ask(tokens=5901), "tokens_per_minute", 0.01)
    assert desk.ask(tokens=5900) is None


def test_a_debt_of_tokens_is_made_up_for() -> None:
    desk = Desk(tokens_per_minute=6000)
    assert desk.ask(tokens=10) is None
    desk.caller.spend(18_000, 0.0)  # an answer of three minutes
    desk.caller.leave(False, 10)
    assert refused(desk.ask(tokens=0), "tokens_per_minute", 120.0)
    desk.wait(120)
    assert desk.ask(tokens=0) is None
    assert refused(desk.ask(tokens=100), "tokens_per_minute", 1.0)


def test_a_request_larger_than_a_minute_is_told_that_waiting_does_not_help() -> None:
    desk = Desk(tokens_per_minute=1000)
    error = desk.ask(tokens=1001)
    assert refused(error, "tokens_per_minute", None)
    assert "about 1001 tokens" in str(error)
    assert desk.ask(tokens=1000) is None


def test_what_comes_back_late_is_no_credit() -> None:
    desk = Desk(tokens_per_minute=1000)
    for _ in range(5):
        assert desk.ask(tokens=1000) is None
        desk.wait(60)
    for _ in range(5):
        desk.caller.leave(False, 1000)
    assert desk.ask(tokens=1000) is None
    assert refused(desk.ask(tokens=1), "tokens_per_minute", 0.06)


def test_streams_at_a_time() -> None:
    desk = Desk(streams=2)
    assert desk.ask(stream=True) is None
    assert desk.ask(stream=True) is None
    assert refused(desk.ask(stream=True), "concurrent_streams", 1.0)
    assert desk.ask(stream=False) is None, "the limit is of streams"
    desk.caller.leave(False, 0)
    assert desk.ask(stream=True) is not None
    desk.caller.leave(True, 0)
    assert desk.ask(stream=True) is None
    assert desk.caller.streams == 2


def test_a_budget_ends_and_begins_with_the_month() -> None:
    desk = Desk(budget=1.0, spent=0.4)
    assert desk.ask() is None
    desk.caller.spend(0, 0.5)
    assert desk.ask() is None, "0.9 of 1.0 is spent"
    desk.caller.spend(0, 0.3)
    assert desk.caller.spent == pytest.approx(1.2)
    assert refused(desk.ask(), "insufficient_quota", 60.0)
    desk.wait(59)
    assert refused(desk.ask(), "insufficient_quota", 1.0)
    desk.wait(1)
    assert desk.ask() is None
    assert desk.caller.spent == 0.0
    desk.caller.spend(0, 1.0)
    assert refused(desk.ask(), "insufficient_quota", 31 * 86_400.0)


def test_what_ends_after_the_month_belongs_to_the_next_one() -> None:
    desk = Desk(budget=1.0, spent=0.9)
    assert desk.ask() is None
    desk.wait(120)
    desk.caller.spend(0, 0.25)
    assert desk.caller.spent == 0.25


def test_models() -> None:
    desk = Desk(models=["a", "模型"], requests_per_minute=1)
    error = desk.ask("b")
    assert isinstance(error, Forbidden)
    assert error.code == "model_not_allowed"
    assert desk.ask("模型") is None, "what is not allowed counts for nothing"


def test_a_revoked_key_lets_nobody_in_and_everybody_out() -> None:
    desk = Desk(streams=5, tokens_per_minute=10)
    assert desk.ask(stream=True, tokens=1) is None
    desk.caller.revoked = True
    error = desk.ask(stream=True)
    assert isinstance(error, Unauthorized)
    assert error.code == "invalid_api_key"
    desk.caller.spend(3, 0.1)
    desk.caller.leave(True, 1)
    assert desk.caller.streams == 0


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        ({"budget": 1.0, "spent": 1.0}, "insufficient_quota"),
        ({"streams": 1}, "concurrent_streams"),
        ({"tokens_per_minute": 100}, "tokens_per_minute"),
        ({"requests_per_minute": 1}, "requests_per_minute"),
    ],
)
def test_one_limit_that_refuses_leaves_the_others_alone(limits: dict[str, Any], code: str) -> None:
    desk = Desk(**({"streams": 10, "tokens_per_minute": 1000, "requests_per_minute": 10, "budget": 100.0} | limits))
    if code != "insufficient_quota":
        assert desk.ask(stream=True, tokens=50) is None
    before = {name: getattr(desk.caller, name) for name in ("_requests_at", "_tokens_at", "_streams", "_spent")}
    for _ in range(20):
        error = desk.ask(stream=True, tokens=51)
        assert error is not None
        assert error.code == code
    assert before == {name: getattr(desk.caller, name) for name in before}


def test_a_caller_stays_small() -> None:
    desk = Desk(streams=10**6, tokens_per_minute=10**9, requests_per_minute=10**9, budget=1e9)
    assert not hasattr(desk.caller, "__dict__")

    def size() -> int:
        return sum(sys.getsizeof(getattr(desk.caller, name)) for name in Caller.__slots__)

    before = size()
    for _ in range(10_000):
        assert desk.ask(stream=True, tokens=3) is None
        desk.caller.spend(5, 0.01)
    assert size() - before < 100


def test_it_does_not_show_more_than_the_hint() -> None:
    assert repr(Desk().caller) == "<Caller xk-abcd… of demo>"


calls = st.lists(
    st.tuples(st.floats(0, 40), st.integers(0, 300), st.integers(0, 300), st.booleans(), st.floats(0, 100)), max_size=60
)


@given(calls)
def test_never_more_than_the_rate(made: list[tuple[float, int, int, bool, float]]) -> None:
    """In any stretch of time: a minute's allowance and the rate, and the surplus of answers over their estimates."""
    desk = Desk(tokens_per_minute=300, requests_per_minute=30)
    taken: list[tuple[float, int]] = []
    surplus = 0
    for wait, estimate, used, cancelled, _ in made:
        desk.wait(wait)
        if desk.ask(tokens=estimate) is not None:
            continue
        used = 0 if cancelled else used
        desk.caller.spend(used, 0.0)
        desk.caller.leave(False, estimate)
        taken.append((desk.clock.now, used))
        surplus += max(0, used - estimate)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            minutes = (taken[last][0] - taken[first][0]) / 60
            assert sum(used for _, used in taken[first : last + 1]) <= 300 * (1 + minutes) + surplus + 0.01
            assert last - first + 1 <= 30 * (1 + minutes) + 0.01


@given(calls)
def test_calls_that_used_nothing_leave_no_trace(made: list[tuple[float, int, int, bool, float]]) -> None:
    """Whatever overlaps: once all of them are out, a whole minute's tokens are there."""
    desk = Desk(tokens_per_minute=300, streams=60)
    running: list[tuple[float, bool, int]] = []
    for wait, estimate, _, stream, length in made:
        desk.wait(wait)
        for call in [call for call in running if call[0] <= desk.clock.now]:
            running.remove(call)
            desk.caller.leave(*call[1:])
        if desk.ask(stream=stream, tokens=estimate) is None:
            running.append((desk.clock.now + length, stream, estimate))
    for _, stream, estimate in running:
        desk.caller.leave(stream, estimate)
    assert desk.caller.streams == 0
    assert desk.ask(tokens=300) is None

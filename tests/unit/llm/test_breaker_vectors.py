"""resilience4j's own cases, transcribed as data (see the file for source and licence)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from xiaoer_server.llm import window
from xiaoer_server.llm.breaker import Breaker, BreakerPolicy, State

CASES = json.loads((Path(__file__).parents[2] / "vectors" / "resilience4j_circuitbreaker.json").read_text("utf-8"))
OUTCOMES = {
    "success": window.SUCCESS,
    "error": window.FAILURE,
    "slow_success": window.SLOW_SUCCESS,
    "slow_error": window.SLOW_FAILURE,
}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def policy(settings: dict[str, Any]) -> BreakerPolicy:
    shares = {name: settings[name] / 100 for name in ("failure_rate", "slow_rate") if name in settings}
    return BreakerPolicy(**{**settings, **shares})


def percent(rate: float) -> float:
    return rate if rate == -1 else rate * 100


@pytest.mark.parametrize("case", CASES["sequences"], ids=lambda case: case["test"])
def test_sequence(case: dict[str, Any]) -> None:
    clock = Clock()
    changes: list[tuple[State, State]] = []
    breaker = Breaker(
        "sim",
        policy(CASES["policies"][case["policy"]]),
        clock=clock,
        on_change=lambda _, old, new: changes.append((old, new)),
    )
    expectations = 0
    for number, (step, *values) in enumerate(case["steps"]):
        where = f"step {number}: {step} {values}"
        value = values[0] if values else None
        snapshot = breaker.snapshot()
        if step == "acquire":
            assert breaker.try_acquire() is value, where
        elif step in ("success", "failure"):
            getattr(breaker, step)(value)
            continue
        elif step in ("release", "ignored"):
            breaker.release()
            continue
        elif step == "advance":
            clock.now += value or 0
            continue
        elif step == "transition":
            getattr(breaker, str(value))()
            continue
        elif step == "reset":
            breaker.reset()
            continue
        elif step == "illegal":
            with pytest.raises(ValueError, match="half-open"):
                getattr(breaker, str(value))()
        elif step == "state":
            assert breaker.state.value == value, where
        elif step == "changes":
            assert len(changes) == value, where
        elif step == "metrics":
            seen = [
                percent(snapshot.failure_rate),
                snapshot.calls - snapshot.failures,
                snapshot.calls,
                snapshot.failures,
                snapshot.not_permitted,
            ]
            for wanted, got in zip(values, seen, strict=True):
                assert wanted is None or wanted == got, (where, seen)
        elif step == "successes":
            assert snapshot.calls - snapshot.failures == value, where
        elif step in ("failure_rate", "slow_rate"):
            assert percent(getattr(snapshot, step)) == value, where
        else:
            assert step in ("calls", "failures", "slow", "not_permitted")
            assert getattr(snapshot, step) == value, where
        expectations += 1
    assert expectations


@pytest.mark.parametrize("case", CASES["windows"], ids=lambda case: case["test"])
def test_window(case: dict[str, Any]) -> None:
    clock = Clock()
    subject: window.CountWindow | window.TimeWindow
    subject = window.CountWindow(case["size"]) if case["window"] == "count" else window.TimeWindow(case["size"], clock)
    for step, *values in case["steps"]:
        if step == "advance":
            clock.now += values[0]
            continue
        if step == "record":
            subject.record(OUTCOMES[values.pop(0)])
        else:
            subject.refresh()
        seen = (subject.calls, subject.failures, subject.slow)
        assert seen[: len(values)] == tuple(values)


def test_all_are_there() -> None:
    """Nobody shortens the list unseen."""
    assert len(CASES["sequences"]) == 47
    assert len(CASES["windows"]) == 14

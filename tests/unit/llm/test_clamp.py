"""Temperature and length within the operator's limits."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xiaoer_server.llm.clamp import Clamp, clamp


@pytest.mark.parametrize(("value", "held"), [(None, None), (0, 0.3), (0.3, 0.3), (0.4, 0.4), (0.5, 0.5), (2, 0.5)])
def test_clamp(value: float | None, held: float | None) -> None:
    assert clamp(value, 0.3, 0.5) == held


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({}, {"temperature": 0.4, "max_tokens": 100}),
        ({"temperature": None, "max_tokens": None}, {"temperature": 0.4, "max_tokens": 100}),
        ({"temperature": 0.35, "max_tokens": 100}, {}),
        ({"temperature": 1.5, "max_completion_tokens": 99}, {"temperature": 0.5}),
        ({"temperature": 0, "max_tokens": 101}, {"temperature": 0.3, "max_tokens": 100}),
        ({"temperature": 0.4, "max_tokens": 50, "max_completion_tokens": 5_000}, {"max_completion_tokens": 100}),
    ],
)
def test_changes_to_a_request(fields: dict[str, Any], changes: dict[str, Any]) -> None:
    assert Clamp(max_tokens=100).changes(fields) == changes


@given(st.none() | st.floats(0, 2), st.none() | st.integers(1, 10_000))
def test_what_is_asked_is_within_the_limits(temperature: float | None, tokens: int | None) -> None:
    held = Clamp(max_tokens=1_024)
    fields = {"temperature": temperature, "max_tokens": tokens}
    asked = fields | held.changes(fields)
    assert asked == {"temperature": held.temperature(temperature), "max_tokens": held.tokens(tokens)}
    assert asked["temperature"] is not None
    assert 0.3 <= asked["temperature"] <= 0.5
    assert asked["max_tokens"] is not None
    assert asked["max_tokens"] <= 1_024
    assert held.changes(asked) == {}


def test_without_a_default_nothing_is_added() -> None:
    assert Clamp(default=None).changes({}) == {}
    assert Clamp(default=None).tokens(None) is None
    with pytest.raises(ValueError, match="above"):
        Clamp(low=0.6)

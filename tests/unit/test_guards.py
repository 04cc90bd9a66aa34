"""Guards: pairs written by hand, and what they rest on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xiaoer_server.brain.guards import LONGEST, facts, objection
from xiaoer_server.brain.language import fold
from xiaoer_server.brain.quantities import disagree, han_value, quantities

CASES = Path(__file__).parents[2] / "benches" / "cache" / "guard_cases.txt"


def cases() -> list[tuple[bool, str, str]]:
    """(different, one, other); without those that only a verifier can tell."""
    found = []
    for line in CASES.read_text("utf-8").splitlines():
        if line[:1] in ("!", "=") and not line.endswith(" -"):
            one, _, other = line[1:].partition("|")
            found.append((line[0] == "!", one.strip(), other.strip()))
    return found


def test_hand_made_pairs() -> None:
    found = cases()
    assert len(found) >= 300
    assert sum(different for different, _, _ in found) >= 200
    wrong = [
        (one, other, objection(one, other))
        for different, one, other in found
        if (objection(one, other) is not None) is not different
    ]
    assert not wrong


def test_guards_are_symmetric_and_let_a_question_be_itself() -> None:
    for _, one, other in cases():
        assert objection(one, other) == objection(other, one)
        assert objection(one, one) is None


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("满99包邮吗", "满199包邮吗", "number"),
        ("花呗怎么还款", "借呗怎么还款", "name"),
        ("怎么还款", "怎么还不了款", "negation"),
        ("花呗怎么还款", "花呗怎么开通", "action"),
        ("从支付宝转到银行卡", "从银行卡转到支付宝", "direction"),
        ("怎么退款", "退款多久到账", "aspect"),
        ("Can I return within 7 days?", "Can I return within 30 days?", "number"),
        ("Do you ship to Germany?", "Do you ship to France?", "name"),
        ("I can log in", "I cannot log in", "negation"),
        ("How do I cancel my order?", "How do I change my order?", "action"),
        ("What is the minimum order?", "What is the maximum order?", "direction"),
        ("When do you ship?", "Where do you ship from?", "aspect"),
    ],
)
def test_which_guard_objects(one: str, other: str, why: str) -> None:
    assert objection(one, other) == why


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("三十天", {("30", "day")}),
        ("满九十九块", {("99", "yuan")}),
        ("¥1,299.50", {("1299.5", "yuan")}),
        ("两万五", {("25000", "")}),
        ("一百零五元", {("105", "yuan")}),
        ("半年", {("0.5", "year")}),
        ("一年半", {("1.5", "year")}),
        ("百分之二十", {("20", "percent")}),
        ("twenty-five days", {("25", "day")}),
        ("a hundred and twenty dollars", {("120", "dollar")}),
        ("五月一日", {("05-01", "date")}),
        ("Nov 23", {("11-23", "date")}),
        ("2026-11-23", {("2026-11-23", "date")}),
        ("星期六", {("sat", "weekday")}),
        ("八点半", {("08:30", "time")}),
        ("8:30 pm", {("20:30", "time")}),
        ("双十一", {("11-11", "date")}),
        ("问一下, 一直, 十分好, 万一, 第一次", set()),
        ("that one is the one", set()),
    ],
)
def test_quantities(text: str, found: set[tuple[str, str]]) -> None:
    assert quantities(fold(text)) == found


@pytest.mark.parametrize(
    ("text", "value"),
    [("十", 10), ("十五", 15), ("二十", 20), ("一百零五", 105), ("一百五", 150), ("三千二百", 3200), ("两万五", 25_000),
     ("十二亿", 1_200_000_000), ("二〇二六", 2026), ("零", 0), ("千", None), ("万亿", None)],
)  # fmt: skip
def test_chinese_numerals(text: str, value: float | None) -> None:
    assert han_value(text) == value


def test_a_number_without_a_unit_agrees_with_any() -> None:
    assert not disagree(quantities("满99包邮"), quantities("满99元包邮"))
    assert disagree(quantities("7天"), quantities("7个月"))
    assert not disagree(quantities("一天能转多少"), quantities("每天能转多少"))
    assert disagree(quantities("1天"), quantities("3天"))


@given(st.text(max_size=LONGEST), st.text(max_size=40))
def test_any_text_is_read(one: str, other: str) -> None:
    facts.cache_clear()
    assert objection(one, other) == objection(other, one)
    assert objection(one, one) is None


@pytest.mark.parametrize(
    "part", ["a1-", "1,", "百", "从a到", "不", "I can't ", "8点", "花呗", "one hundred and ", "￥9 "]
)
def test_nothing_is_slow(part: str) -> None:
    text = (part * LONGEST)[:LONGEST]
    began = time.perf_counter()
    facts.__wrapped__(text)
    assert time.perf_counter() - began < 0.25
    began = time.perf_counter()
    assert objection(part * 500_000, text) == "number"
    assert time.perf_counter() - began < 0.05

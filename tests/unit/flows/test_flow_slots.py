"""Values of slots in what people write."""

from __future__ import annotations

import datetime

import pytest

from xiaoer_server.brain import flow_words as words
from xiaoer_server.brain.flow_model import Slot, Value
from xiaoer_server.brain.flow_slots import find, find_all, normal

#: A Monday.
TODAY = datetime.date(2026, 11, 2)
COLOURS = {"green": {"zh": ["绿色", "绿"], "en": ["green"]}, "dark": {"zh": ["深绿色"], "en": ["dark green"]}}


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("order_number", "查下订单20261101-8842到哪了", "20261101-8842"),
        ("order_number", "订单２０２６１１０１－８８４２", "20261101-8842"),
        ("order_number", "120261101-88421", None),
        ("date", "昨天买的", "2026-11-01"),
        ("date", "the day before yesterday", "2026-10-31"),
        ("date", "三天前", "2026-10-30"),
        ("date", "2 days ago", "2026-10-31"),
        ("date", "上周五下的单", "2026-10-30"),
        ("date", "last friday", "2026-10-30"),
        ("date", "10月28号", "2026-10-28"),
        ("date", "2026年2月30日", None),
        ("date", "订单 20261101-8842", None),
        ("date", "明天", None),  # the slot is of the past
        ("phone", "我的电话是 138-0013-8000。", "13800138000"),
        ("phone", "call +447700900123", "+447700900123"),
        ("phone", "20261101-8842", None),
        ("email", "发到 Lin@Example.COM 谢谢", "lin@example.com"),
        ("email", "lin@example", None),
        ("amount", "退了 12.50 元", 12.5),
        ("amount", "¥1,299", 1299.0),
        ("amount", "还差3块", 3.0),
        ("number", "3", 3),
        ("number", "两个", 2),
        ("number", "120", None),
        ("choice", "深绿色的那种", "dark"),
        ("choice", "the green one", "green"),
        ("choice", "evergreen", None),
        ("choice", "2", "dark"),
        ("yes_no", "好的，谢谢", True),
        ("yes_no", "不用了", None),
        ("yes_no", "不是，等一下", False),
        ("yes_no", "no thanks", False),
    ],
)
def test_a_value_is_found_where_it_is_asked_for(kind: str, text: str, value: Value) -> None:
    bounds = {"low": 1.0, "high": 99.0} if kind == "number" else {}
    choices = COLOURS if kind == "choice" else {}
    slot = Slot("x", kind, 1, choices=choices, past=kind == "date", **bounds)  # type: ignore[arg-type]
    found = find(slot, normal(text), TODAY, asked=True)
    assert (found[0] if found else None) == value


def test_several_values_of_one_message() -> None:
    slots = [
        Slot("note", "text", 1),
        Slot("order", "order_number", 2),
        Slot("day", "date", 3),
        Slot("phone", "phone", 4),
        Slot("count", "number", 5),
    ]
    text = normal("昨天的订单 20261101-8842，电话 13800138000")
    assert find_all(slots, text, TODAY) == {
        "order": "20261101-8842",
        "day": "2026-11-01",
        "phone": "13800138000",
    }


def test_two_slots_of_one_kind_do_not_share_a_value() -> None:
    slots = [Slot("old", "order_number", 1), Slot("new", "order_number", 2)]
    assert find_all(slots, "20261101-8842", TODAY, "new") == {"new": "20261101-8842"}


@pytest.mark.parametrize(
    "text", ["转人工", "我要找人工客服！", "can I talk to a human?", "agent", "I want to speak with someone"]
)
def test_who_wants_a_human(text: str) -> None:
    assert words.wants_human(text)


@pytest.mark.parametrize(
    "text", ["人工智能怎么样", "is the tea made by human hands for real customers", "茶叶是手工的吗"]
)
def test_who_does_not(text: str) -> None:
    assert not words.wants_human(text)


def test_commands_are_whole_messages() -> None:
    assert words.cancels("算了。")
    assert words.cancels("Never mind!")
    assert not words.cancels("取消订单 20261101-8842")
    assert words.starts("请帮我查一下订单", ["查一下订单"])
    assert words.starts("where is my order please", ["where is my order"])
    assert not words.starts("怎么查订单", ["查订单"])
    assert not words.starts("发票抬头写错了可以重开吗", ["发票"])

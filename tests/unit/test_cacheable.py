"""Which questions are general, and which answers are nobody's own."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xiaoer_server.brain.cacheable import personal, same_words, why_not

GENERAL = """
怎么退货|你们几点关门|可以开发票吗|花呗怎么还款|绿茶怎么冲泡|这款茶叶怎么保存|满99包邮吗|为什么登录不了|退货要多久|怎么联系人工
会员有什么好处|30天内可以退吗|我想退款|我要退钱|怎么还款|如何注销账号|怎么修改收货地址|运费谁出|会员多少钱
How do I return an item?|How long does it take to get a refund?
Is it possible to change the address?|Do you ship overseas?
How do I pay?|What payment methods do you accept?|Do you have gift cards|Can I cancel my order?|I want a refund
How can I track my order?|Can I use two coupons together?|What if my parcel is damaged?|My card was declined, why?
"""
NOT_GENERAL = {
    "follow-up": "那个呢|那这个怎么退|what about that one|how about it|and the other one?|它多少钱|这个可以退吗"
    "|是的|Can I return it?"
    "|does this work with that|第二种怎么办|刚才说的还算吗|What did you mean above?|还有吗|are they in stock",
    "bare": "多少钱|怎么用|how much?|什么时候|怎么办|when",
    "personal": "订单号12345678怎么退|我电话13800138000怎么改|a@b.com 怎么改|我叫张三怎么开会员"
    "|ABC20241123XYZ 到哪了|order #1234"
    "|中山路88号3单元能送吗|my name is Ann, how do I pay|工单号：A123|身份证号110101199003071234"
    "|call me at +1 415 555 0100",
    "own": "我的订单到哪了|where is my order|What's my balance|我的退款怎么还没到|has my parcel arrived|我还有多少积分",
    "time": "今天几点关门|are you open today|明天发货吗|do you deliver tomorrow|这周有活动吗",
    "empty": "|   |？？？|...",
    "long": "怎么退货" * 60,
}


@pytest.mark.parametrize("question", "|".join(GENERAL.split("\n")).strip("|").split("|"))
def test_general(question: str) -> None:
    assert why_not(question) is None


@pytest.mark.parametrize(("reason", "question"), [(r, q) for r, all_ in NOT_GENERAL.items() for q in all_.split("|")])
def test_not_general(reason: str, question: str) -> None:
    assert why_not(question) is not None
    if reason in ("empty", "long"):
        assert why_not(question) == reason


@pytest.mark.parametrize(
    "answer",
    [
        "您的订单已发货",
        "请致电 13800138000",
        "写信到 a@b.com",
        "订单号 20241123 已退款",
        "尊敬的张先生，您好",
        "Your order has shipped.",
        "Dear Mr Wang, thanks",
        "order A-20241123 is on its way",
        "身份证 110101199003071234",
        "送到朝阳路12号3单元",
        "",
        "x" * 4001,
        "your address is unknown",
        "12 Green Tea Street",
        "卡号 6222 0202 0000 1234",
    ],
)
def test_answers_of_somebodys_own(answer: str) -> None:
    assert personal(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "支持七天无理由退货，运费由买家承担。客服时间 9:00-21:00，满 99 元包邮。",
        "Free shipping over $99 within 30 days.",
        "[退货](/help/returns-zh)",
        "1. 打开订单\n2. 点击退货",
    ],
)
def test_answers_for_everybody(answer: str) -> None:
    assert not personal(answer)


def test_the_same_words_however_written() -> None:
    assert same_words(" 怎么退货？ ") == same_words("怎么退货!!") == same_words("怎么退货")
    assert same_words("Ｈｏｗ do  I PAY?") == same_words("how do i pay")
    assert same_words("退货") != same_words("换货")


@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    assert why_not(text) in {None, "empty", "long", "personal", "own", "time", "follow-up", "bare"}
    assert personal(text) in (True, False)


@pytest.mark.parametrize("part", ["a1-", "1 ", "我", "my ", "地址", "中山路", "@", "\n", "it is "])
def test_nothing_is_slow(part: str) -> None:
    began = time.perf_counter()
    why_not((part * 200)[:200])
    personal((part * 4000)[:4000])
    assert time.perf_counter() - began < 0.5
    began = time.perf_counter()
    assert why_not(part * 500_000) == "long"
    assert personal(part * 500_000)
    assert time.perf_counter() - began < 0.05

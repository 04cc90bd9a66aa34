"""Dialogues: whatever is said, they neither crash nor loop, and end or ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from xiaoer_server.brain.dialog import MOST_TURNS, Dialogs, Step
from xiaoer_server.brain.flow_file import read_flow
from xiaoer_server.brain.flow_library import Flows
from xiaoer_server.brain.flow_model import Value, Webhook
from xiaoer_server.brain.flow_run import decode, encode
from xiaoer_server.brain.flow_webhooks import WebhookFailed
from xiaoer_server.demo import orders, shop

FLOWS = Flows(read_flow(source) for source in shop.flows())
ORDER = "20261101-8843"


class Said(msgspec.Struct, frozen=True):
    intent: str | None
    probability: float = 0.9


class Shop:
    """The demo shop without a wire; `broken` counts the calls that fail."""

    def __init__(self, broken: int = 0) -> None:
        self.broken = broken
        self.keys: list[str] = []

    async def call(self, tenant: str, hook: Webhook, payload: Mapping[str, Value], *, key: str) -> dict[str, Any]:
        self.keys.append(key)
        if self.broken:
            self.broken -= 1
            raise WebhookFailed("timeout", "broken")
        answers = {"status": orders.status, "returns": orders.send_back, "invoices": orders.invoice}
        name = hook.url.rpartition("/")[2]
        return answers[name](dict(payload)) if name in answers else orders.complaint(dict(payload), 1)


class Talk:
    """One conversation."""

    def __init__(self, flows: Flows = FLOWS, shop: Shop | None = None, tenant: str = "demo") -> None:
        self.now = 1_790_000_000.0
        self.shop = shop or Shop()
        self.dialogs = Dialogs({tenant: flows}, self.shop, lambda: self.now)
        self.state: bytes | None = None

    async def say(self, text: str, intent: str | None = None, language: Any = "zh", turn: str = "") -> Step:
        said = Said(intent) if intent else None
        step = await self.dialogs.step("demo", self.state, text, said, language, turn=turn)
        if step.handled:
            self.state = step.state
        return step

    @property
    def at(self) -> list[str]:
        return [f"{run.flow}.{run.state}" for run in decode(self.state)]


LINES = st.one_of(
    st.sampled_from(
        f"""
        查订单|我要退货|开发票|我要投诉|return my order|where is my order|i need an invoice|complaint|是|不|yes|no
        |对|1|2|4|公司|个人|破损|wrong item|{ORDER}|20261101-0000|20260901-1007|lin@example.com|13800138000|取消|谢谢
        |never mind|你好|不对，订单号是 20261030-1177|订单号错了|改成 20261102-3319|sorry, wrong email a@b.cc
        |怎么保存茶叶？|how long is it?|😀|{{order}}|{{x}}|*a*|昨天|订单号 手机号 邮箱 错了
        """.split("|")
    ),
    st.text(max_size=40),
)
ASKED = ("order_status", "return_goods", "invoice_request", "complaint", "affirm", "deny", "cancel", "stock")
INTENTS = st.sampled_from((None, None, None, *ASKED))


@given(
    said=st.lists(st.tuples(LINES, INTENTS, st.sampled_from(("zh", "en")), st.sampled_from((0, 0, 0, 5, 4_000)))),
    broken=st.integers(0, 3),
)
@settings(max_examples=60, deadline=None)
async def test_no_dialogue_crashes_or_loops_and_each_ends_or_asks(said: list[Any], broken: int) -> None:
    talk = Talk(shop=Shop(broken))
    for text, intent, language, later in said:
        talk.now += later
        calls = len(talk.shop.keys)
        step = await talk.say(text, intent, language)
        assert len(talk.shop.keys) - calls <= 3
        if not step.handled:
            assert step == Step()
            continue
        assert step.replies
        assert all(step.replies)
        assert step.hand_off is None or step.state is None
        if step.hand_off is not None:
            assert step.hand_off != "flow_stuck"
        runs = decode(step.state)
        assert len(runs) <= 3
        assert encode(runs) == step.state
        for run in runs:
            loaded = FLOWS.version(run.flow, run.version)
            assert loaded is not None
            assert loaded.flow.states[run.state].prompt is not None
            assert run.turns <= MOST_TURNS


@given(st.one_of(st.binary(max_size=200), st.sampled_from([b"null", b"{}", b'{"runs":[]}', b'{"runs":[{"id":1}]}'])))
@settings(max_examples=100, deadline=None)
async def test_a_state_that_cannot_be_read_is_no_dialogue(state: bytes) -> None:
    talk = Talk()
    talk.state = state
    assert not (await talk.say("茶叶怎么保存")).handled


@given(st.lists(LINES, min_size=130, max_size=130))
@settings(max_examples=5, deadline=None)
async def test_a_visitor_who_never_answers_gets_a_human(lines: list[str]) -> None:
    talk = Talk()
    await talk.say("查订单")
    for turn in range(MOST_TURNS + 2):
        step = await talk.say(f"the blue one {turn}")
        if step.hand_off:
            break
    assert step.hand_off == "flow_not_understood"
    assert turn == 2  # two more tries, as the file says


async def test_the_first_message_may_hold_all_there_is() -> None:
    talk = Talk()
    step = await talk.say("查下订单 20261101-8843 到哪了")
    assert "XE2611018843" in step.replies[0]
    assert step.state is None
    assert step.hand_off is None


async def test_a_flow_in_a_flow_and_back() -> None:
    talk = Talk()
    await talk.say("我要退货")
    step = await talk.say(f"查订单 {ORDER}")
    assert talk.at == ["return_goods.ask_order"]
    assert "XE2611018843" in step.replies[0]
    assert step.replies[1:] == ["我们回到「申请退货」。", "请问要退哪一个订单？请告诉我订单号，例如 20261101-8842。"]
    step = await talk.say("取消")
    assert talk.at == []
    assert step.replies == ["好的，「申请退货」已取消。还有什么可以帮您？"]


async def test_cancelling_the_inner_flow_goes_back_to_the_outer_one() -> None:
    talk = Talk()
    await talk.say("我要退货")
    await talk.say("开发票")
    assert talk.at == ["return_goods.ask_order", "invoice.ask_order"]
    await talk.say("算了")
    assert talk.at == ["return_goods.ask_order"]


async def test_a_human_is_had_anywhere_and_in_a_shop_without_flows() -> None:
    for flows in (FLOWS, Flows()):
        talk = Talk(flows)
        await talk.say("我要退货")
        step = await talk.say("转人工")
        assert (step.hand_off, step.state, step.handled) == ("asked_for_human", None, True)
    assert (await Talk().say("麻烦一下", "human_agent")).hand_off == "asked_for_human"


async def test_an_unsure_intent_begins_nothing() -> None:
    dialogs = Dialogs({"demo": FLOWS}, Shop())
    assert not (await dialogs.step("demo", None, "茶怎么样", Said("return_goods", 0.4), "zh")).handled
    assert (await dialogs.step("demo", None, "茶怎么样", Said("return_goods", 0.7), "zh")).handled


async def test_another_tenants_flows_are_not_there() -> None:
    talk = Talk(tenant="other")
    assert not (await talk.say("我要退货")).handled
    mine = Talk()
    await mine.say("我要退货")
    other = Dialogs({"demo": Flows(), "shop": FLOWS}, Shop())
    step = await other.step("demo", mine.state, ORDER, None, "zh")
    assert step.state is None
    assert step.knowledge
    assert "退货" not in "".join(step.replies)


async def test_a_dialogue_goes_on_with_its_version() -> None:
    source = next(source for source in shop.flows() if "flow: return_goods" in source)
    old, new = read_flow(source), read_flow(source.replace("确认吗？", "可以吗？"))
    flows = Flows([old])
    talk = Talk(flows)
    await talk.say(f"我要退货 {ORDER}")
    flows.put(new)
    assert "确认吗？" in (await talk.say("破损")).replies[-1]
    later = Talk(flows)
    await later.say(f"我要退货 {ORDER}")
    assert "可以吗？" in (await later.say("破损")).replies[-1]
    gone = Talk(Flows([new]))
    gone.state = talk.state
    step = await gone.say("是")
    assert step.state is None
    assert step.knowledge
    assert "已经更新" in step.replies[0]


async def test_a_step_that_is_tried_again_calls_under_the_same_key() -> None:
    talk = Talk()
    for _ in range(2):
        talk.state = None
        await talk.say(f"查订单 {ORDER}", turn="c:1")
    talk.state = None
    await talk.say(f"查订单 {ORDER}", turn="c:5")
    first, second, third = talk.shop.keys
    assert first == second != third


async def test_what_a_visitor_or_the_shop_writes_is_no_markup_and_no_placeholder() -> None:
    flows = Flows([read_flow(next(source for source in shop.flows() if "flow: invoice" in source))])

    class Odd(Shop):
        async def call(self, tenant: str, hook: Webhook, payload: Mapping[str, Value], *, key: str) -> dict[str, Any]:
            return {"number": "[x](javascript:1) {email}", "amount": 5}

    talk = Talk(flows, Odd())
    for text in ("开发票", ORDER, "个人", "lin@example.com"):
        step = await talk.say(text)
    assert r"\[x\](javascript:1) {email}" in step.replies[0]

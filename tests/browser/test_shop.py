"""The main job in a browser, against a real `xiaoer serve`: ask, see the answer grow, lose nothing on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from fake_chat_server import FakeServer
from playwright.async_api import Page, expect
from widget_page import ARTIFACTS, NewPage, eventually, part, rows, say

from benches.load.simulator import Simulator
from support.process import WIDE_LIMITS, XiaoerProcess, running, visit
from xiaoer_server.brain.flow_words import HANDED_OVER, wants_human

#: Keeps the lengths that the newest answer had on the screen, and whether it was shown as growing then.
WATCH = """() => {
  const log = document.querySelector("xiaoer-chat").shadowRoot.querySelector(".log");
  window.growth = [];
  const look = () => {
    const text = [...log.querySelectorAll(".assistant .text")].at(-1);
    if (text) growth.push([text.textContent.length, text.classList.contains("growing")]);
  };
  new MutationObserver(look).observe(log, { subtree: true, childList: true, characterData: true, attributes: true });
}"""


TOML = WIDE_LIMITS + "[tenants.demo]\ndemo = true\nallowed_sites = ['*']\n"


#: Presses "Try now", unless it has found its way back already.
TRY_NOW = """() => {
  const bar = document.querySelector("xiaoer-chat").shadowRoot.querySelector(".bar");
  if (!bar.hidden) bar.querySelector("button").click();
}"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[XiaoerProcess]:
    with running(tmp_path_factory.mktemp("shop") / "data", toml=TOML) as server:
        yield server


def frames_of(page: Page) -> list[dict[str, Any]]:
    """All frames that the page's sockets receive from now on."""
    frames: list[dict[str, Any]] = []
    page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda payload: frames.append(json.loads(payload))),
    )
    return frames


async def left_alone(server: XiaoerProcess, token: str, question: str) -> bool:
    """Whether a visitor who asks gets neither an article nor, if a human is asked for, the hand-over."""
    async with visit(server, token) as visitor:
        await visitor.say(question, "only")
        text, done = await visitor.answer()
        return not (done.get("sources") or (wants_human(question) and text.startswith(tuple(HANDED_OVER.values()))))


async def picture(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTIFACTS / f"{name}.png", animations="disabled")


async def whole_answer(page: Page, number: int) -> str:
    """The text of the `number`th answer, once it has ended."""
    answer = part(page, ".row.assistant").nth(number - 1)
    await expect(answer.locator(".text")).not_to_have_class("text plain growing")
    await expect(answer.locator(".text > *").first).to_be_visible()
    return await answer.locator(".text").inner_text()


@pytest.mark.parametrize(
    ("locale", "question", "fact", "source"),
    [
        ("zh-CN", "什么时候发货，几天能到？", "16:00", "什么时候发货、几天能到"),
        ("en-GB", "How long does delivery take?", "16:00", "When we ship and how long delivery takes"),
    ],
)
async def test_a_visitor_asks_and_reads_a_growing_answer_with_its_source(
    new_page: NewPage, shop: XiaoerProcess, locale: str, question: str, fact: str, source: str
) -> None:
    async with new_page(locale=locale) as page:
        await page.goto(shop.url)
        await part(page, ".launcher").click()
        await page.evaluate(WATCH)
        await say(page, question)
        text = await whole_answer(page, 1)
        assert fact in text
        await expect(part(page, ".sources a").first).to_contain_text(source)
        assert (await rows(page))[0] == ["visitor", question]
        lengths = sorted({length for length, growing in await page.evaluate("growth") if growing and length})
        assert len(lengths) >= 4, lengths
        await picture(page, f"shop-{locale[:2]}")


async def test_a_reload_in_the_middle_of_an_answer_doubles_and_loses_nothing(new_page: NewPage, tmp_path: Path) -> None:
    # A model that takes eight seconds for an answer: on any machine the reload falls into its middle.
    async with Simulator(tokens=80, rate=10.0) as simulator, new_page(locale="zh-CN") as page:
        toml = TOML + f"[model]\nbase_url = '{simulator.base_url}'\nname = 'simulated'\n"
        with running(tmp_path / "data", toml=toml) as shop:
            frames = frames_of(page)
            await page.goto(shop.url)
            await part(page, ".launcher").click()
            await say(page, "什么时候发货，几天能到？")
            await part(page, ".row.assistant .text.growing").wait_for()
            await page.reload()
            assert not any(frame["type"] == "done" for frame in frames), "the answer had ended before the reload"
            # A visitor who was here before is connected without opening the chat, and the answer is waiting.
            await eventually(lambda: rows(page), lambda seen: len(seen) == 2)
            await part(page, ".launcher").click()
            text = await whole_answer(page, 1)
            seen = await rows(page)
            assert [tuple(row) for row in seen] == [("visitor", "什么时候发货，几天能到？"), ("assistant", text)]

            token = await page.evaluate(
                "JSON.parse(localStorage[Object.keys(localStorage).find((key) => key.endsWith(':demo'))]).token"
            )
            status, body = await asyncio.to_thread(
                shop.get, "/api/chat/messages?limit=50", {"Authorization": f"Bearer {token}"}
            )
            stored = json.loads(body)["messages"]
            assert status == 200
            assert [entry["role"] for entry in stored] == ["visitor", "assistant"]
            assert stored[-1].get("status", "complete") == "complete"
            await picture(page, "shop-after-reload")


async def test_the_shop_on_a_phone_in_the_dark(new_page: NewPage, shop: XiaoerProcess) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
    async with new_page(locale="zh-CN", color_scheme="dark", **phone) as page:
        await page.goto(shop.url)
        assert await page.evaluate("document.documentElement.scrollWidth") == 390, "it scrolls sideways"
        await picture(page, "shop-phone")
        await page.get_by_role("button", name="怎么退货").tap()
        await expect(part(page, "textarea")).to_have_value("怎么退货？")
        await part(page, ".send").tap()
        assert "退" in await whole_answer(page, 1)
        await picture(page, "chat-phone")


async def test_the_shop_speaks_two_languages(new_page: NewPage, shop: XiaoerProcess) -> None:
    async with new_page(locale="en-GB") as page:
        await page.goto(shop.url)
        await expect(page).to_have_title("Xiaoer Tea House")
        await expect(page.get_by_role("heading", level=1, name="Good tea, no hurry.")).to_be_visible()
        await page.get_by_role("button", name="中文").click()
        await expect(page).to_have_title("店小二茶铺")
        await page.get_by_role("button", name="运费怎么算").click()
        await expect(part(page, "textarea")).to_have_value("运费怎么算？")
        await expect(part(page, "h2")).to_have_text("在线客服")
        await page.reload()
        await expect(page).to_have_title("店小二茶铺")


async def test_a_site_of_another_origin_embeds_it_under_the_strictest_policy(
    new_page: NewPage, shop: XiaoerProcess, host: FakeServer
) -> None:
    host.embed(shop.url, "data-open")
    async with new_page() as page:
        await page.goto(host.url)
        await say(page, "What does delivery cost?")
        assert "¥99" in await whole_answer(page, 1)
        source = await part(page, ".sources a").first.get_attribute("href")
        assert source
        status, article = shop.get(source.removeprefix(shop.url))
        assert status == 200
        assert "What delivery costs" in article.decode()


async def test_every_question_of_the_shop_is_answered(new_page: NewPage, shop: XiaoerProcess) -> None:
    """What the page suggests to ask must not end in "I don't know"."""
    async with new_page() as page:
        await page.goto(shop.url)
        questions = await page.evaluate(
            """async () => {
                const { texts } = await import("/widget/i18n.js");
                const askers = [...document.querySelectorAll("[data-zh]")];
                const asked = askers.flatMap(({ dataset }) => [dataset.zh, dataset.en]);
                return [...asked, ...texts("zh").questions, ...texts("en").questions];
            }"""
        )
    assert len(questions) > 40
    tokens = [shop.session(tenant="demo")["token"] for _ in questions]
    alone = await asyncio.gather(*map(partial(left_alone, shop), tokens, questions))
    assert [question for question, lost in zip(questions, alone, strict=True) if lost] == []


async def test_a_restart_of_the_server_is_survived_with_the_page_open(new_page: NewPage, shop: XiaoerProcess) -> None:
    async with new_page() as page:
        await page.goto(shop.url)
        await part(page, ".launcher").click()
        await say(page, "How do I return something?")
        before = await whole_answer(page, 1)
        shop.stop()
        await expect(part(page, ".bar").first).to_contain_text("Connection lost. Reconnecting…")
        await say(page, "Can I get an invoice?")
        await expect(part(page, ".row.visitor .note")).to_have_text("Sending…")
        shop.start(port=shop.port)
        await page.evaluate(TRY_NOW)
        assert "invoice" in (await whole_answer(page, 2)).lower()
        seen = await rows(page)
        assert [role for role, _ in seen] == ["visitor", "assistant"] * 2
        assert seen[1][1] == before
        await expect(part(page, ".bar").first).to_be_hidden()

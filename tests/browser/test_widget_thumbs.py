"""Thumbs under an answer: seen, named, pressed by keyboard, said in both languages."""

from __future__ import annotations

import pytest
from fake_chat_server import FakeServer
from widget_page import NewPage, eventually, part

LABELS = {
    "zh": ("有帮助", "没有帮助", "谢谢"),
    "en": ("Helpful", "Not helpful", "Thanks"),
}


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_thumbs(fake: FakeServer, new_page: NewPage, language: str) -> None:
    up, down, thanks = LABELS[language]
    fake.embed(fake.url, f'data-lang="{language}"')
    async with new_page() as page:
        await page.goto(fake.url)
        await part(page, ".launcher").click()
        peer = await fake.peer()
        await peer.send("delta", seq=1, offset=0, text="七天内")
        await eventually(part(page, ".row.assistant").count, 1)
        assert await part(page, ".thumbs").count() == 0
        sources = [{"title": "a", "url": "/a"}]
        await peer.send("done", seq=1, finish_reason="stop", html="<p>七天内</p>", sources=sources)
        await eventually(part(page, ".thumbs button").count, 2)
        first, second = part(page, ".thumbs .up"), part(page, ".thumbs .down")
        assert [await first.get_attribute("aria-label"), await second.get_attribute("aria-label")] == [up, down]
        assert await part(page, ".thumbs [role=status]").inner_text() == ""
        await second.focus()
        await second.press("Enter")
        assert await peer.next("feedback") == {"type": "feedback", "seq": 1, "value": "down"}
        await eventually(lambda: second.get_attribute("aria-pressed"), "true")
        assert await part(page, ".thumbs [role=status]").inner_text() == thanks
        # The focus stays; the other one takes it back.
        focused = "() => document.querySelector('xiaoer-chat').shadowRoot.activeElement.className"
        assert await page.evaluate(focused) == "down"
        await first.click()
        assert (await peer.next("feedback", 2))["value"] == "up"
        await eventually(lambda: second.get_attribute("aria-pressed"), "false")
        assert await first.get_attribute("aria-pressed") == "true"


async def test_no_thumbs_where_nothing_is_to_be_judged(fake: FakeServer, new_page: NewPage) -> None:
    fake.embed(fake.url)
    async with new_page() as page:
        await page.goto(fake.url)
        await part(page, ".launcher").click()
        peer = await fake.peer()
        await peer.message(1, "system", "notice")
        await peer.message(2, "agent", "hello")
        await peer.send("delta", seq=3, offset=0, text="cut")
        await peer.send("done", seq=3, finish_reason="upstream_error", html="<p>cut</p>")
        await eventually(part(page, ".note.bad").count, 1)
        assert await part(page, ".thumbs").count() == 0

"""The widget as people meet it: on foreign pages, by keyboard, by screen reader, on a phone, in two languages."""

from __future__ import annotations

import gzip

import pytest
from fake_chat_server import WEB, FakeServer
from playwright.async_api import expect
from widget_page import NewPage, eventually, part, rows, rows_become, say

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


def test_all_modules_together_are_at_most_20_kilobytes_gzipped() -> None:
    modules = [WEB / "widget.js", *(WEB / "widget").glob("*.js")]
    sizes = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in modules}
    assert sum(sizes.values()) <= 20 * 1024, sizes


@pytest.mark.parametrize("own_sanitizer", [True, False])
async def test_it_works_on_a_foreign_page_with_the_strictest_policy(
    new_page: NewPage, fake: FakeServer, host: FakeServer, own_sanitizer: bool
) -> None:
    host.embed(fake.url, 'data-lang="en"')
    async with new_page() as page:
        if not own_sanitizer:
            await page.add_init_script("delete Element.prototype.setHTML")
        await page.goto(host.url)
        assert fake.sessions == [], "a page view costs the server nothing"
        await part(page, ".launcher").click()
        peer = await fake.peer()
        await say(page, "hello")
        await peer.send("ack", client_id=(await peer.next("message"))["client_id"], seq=1)
        await peer.answer(
            2,
            "**Hello**",
            html='<p><strong>Hello</strong> <a href="/help/demo/a">more</a></p>',
            sources=[{"title": "About us", "url": "/help/demo/about"}],
        )
        await expect(part(page, ".row.assistant strong")).to_have_text("Hello")
        link, source = part(page, ".row.assistant .text a"), part(page, ".sources a")
        await expect(link).to_have_attribute("href", f"{fake.url}/help/demo/a")
        await expect(link).to_have_attribute("target", "_blank")
        await expect(source).to_have_attribute("href", f"{fake.url}/help/demo/about")
        await expect(source).to_have_text("About us")


async def test_only_the_servers_html_is_markup(new_page: NewPage, fake: FakeServer) -> None:
    bomb = "<img src=x onerror=\"document.title='bang'\"><b>bold</b>"
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        await say(page, bomb)
        await peer.send("ack", client_id=(await peer.next("message"))["client_id"], seq=1)
        await peer.message(2, "agent", bomb)
        await peer.message(3, "system", bomb)
        await peer.send("delta", seq=4, offset=0, text=bomb)
        await rows_become(page, *((role, bomb) for role in ("visitor", "agent", "system", "assistant")))
        await peer.send(
            "done",
            seq=4,
            finish_reason="stop",
            html="<p>safe</p>",
            sources=[{"title": bomb, "url": "javascript:alert(1)"}, {"title": bomb, "url": "https://a.example/"}],
        )
        await expect(part(page, ".row.assistant .text p")).to_have_text("safe")
        await expect(part(page, ".sources a")).to_have_count(1)
        await expect(part(page, ".sources a")).to_have_text(bomb)
        assert await part(page, "img").count() == 0
        assert await page.title() == "host"


async def test_an_answer_grows_in_place_and_is_announced_once(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        await page.evaluate(
            """() => {
                const live = document.querySelector("xiaoer-chat").shadowRoot.querySelector("[aria-live=polite]");
                window.said = [];
                new MutationObserver(() => said.push(live.textContent)).observe(live, { childList: true });
            }"""
        )
        await say(page, "temperature?")
        await peer.send("ack", client_id=(await peer.next("message"))["client_id"], seq=1)
        await expect(part(page, ".typing")).to_be_visible()
        words = ["Eighty ", "degrees ", "for ", "green ", "tea."]
        offset = 0
        for word in words:
            await peer.send("delta", seq=2, offset=offset, text=word)
            offset += len(word)
            await eventually(lambda: rows(page), lambda seen, end=offset: len(seen[-1][1]) >= end - 1)
        await expect(part(page, ".typing")).to_be_hidden()
        assert await page.evaluate("said") == []
        await peer.send("done", seq=2, finish_reason="stop", html="<p>Eighty degrees for green tea.</p>")
        await eventually(lambda: page.evaluate("said"), ["Assistant: Eighty degrees for green tea."])
        assert await part(page, "[role=log]").get_attribute("aria-live") == "off"

        # What was heard before is not told again after a reload.
        await peer.next("read")
        await page.reload()
        peer = await fake.peer(2)
        await peer.message(1, "visitor", "temperature?")
        await peer.message(2, "assistant", "Eighty degrees.", html="<p>Eighty degrees.</p>")
        await peer.send("done", seq=2, finish_reason="stop")
        await peer.send("delta", seq=3, offset=0, text="new")
        await rows_become(page, ("visitor", "temperature?"), ("assistant", "Eighty degrees."), ("assistant", "new"))
        await expect(part(page, "[aria-live=polite]")).to_have_text("")


async def test_typing_of_an_agent_is_shown_and_that_of_the_visitor_is_not(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        await peer.send("typing")
        await peer.message(1, "system", "hello")
        await rows_become(page, ("system", "hello"))
        await expect(part(page, ".typing")).to_be_hidden()
        await peer.send("typing", role="agent")
        await expect(part(page, ".typing")).to_be_visible()
        await peer.message(2, "agent", "I am Li.")
        await expect(part(page, ".typing")).to_be_hidden()
        await part(page, "textarea").press_sequentially("abc")
        await peer.next("typing")
        assert len([frame for frame in peer.frames if frame["type"] == "typing"]) == 1


async def test_a_closed_chat_counts_what_is_unread_and_reads_it_when_opened(
    new_page: NewPage, fake: FakeServer
) -> None:
    fake.embed(fake.url, 'data-lang="en"')
    async with new_page() as page:
        await page.goto(fake.url)
        launcher = part(page, ".launcher")
        await launcher.click()
        peer = await fake.peer()
        await page.keyboard.press("Escape")
        await peer.message(1, "visitor", "hello")
        await peer.answer(2, "one")
        await peer.message(3, "agent", "two")
        await expect(part(page, ".badge")).to_have_text("2")
        await expect(launcher).to_have_attribute("aria-label", "Open the chat (2 new messages)")
        assert [frame for frame in peer.frames if frame["type"] == "read"] == []
        await launcher.click()
        assert await peer.next("read") == {"type": "read", "seq": 3}
        await expect(part(page, ".badge")).to_be_hidden()
        await page.reload()
        # A returning visitor is connected at once, and has nothing unread.
        peer = await fake.peer(2)
        await peer.message(1, "visitor", "hello")
        await peer.message(2, "agent", "one")
        await peer.message(3, "agent", "two")
        await peer.message(4, "agent", "three")
        await expect(part(page, ".badge")).to_have_text("1")


async def test_enter_sends_shift_enter_breaks_the_line_and_composing_does_neither(
    new_page: NewPage, fake: FakeServer
) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        box = part(page, "textarea")
        await expect(box).to_be_focused()
        await expect(part(page, ".send")).to_be_disabled()
        await box.press("Enter")
        await box.fill("   ")
        await box.press("Enter")
        await box.fill("ni hao")
        for keys in ({"isComposing": True}, {"keyCode": 229}):
            await box.dispatch_event("keydown", {"key": "Enter", "bubbles": True, **keys})
        await box.press("Shift+Enter")
        await box.press_sequentially("second line")
        await expect(box).to_have_value("ni hao\nsecond line")
        await box.press("Enter")
        await expect(box).to_have_value("")
        assert (await peer.next("message"))["text"] == "ni hao\nsecond line"
        await rows_become(page, ("visitor", "ni hao\nsecond line"))


async def test_the_keyboard_stays_in_the_panel_and_returns_where_it_came_from(
    new_page: NewPage, fake: FakeServer
) -> None:
    fake.embed(fake.url, 'data-lang="en"')
    async with new_page() as page:
        await page.goto(fake.url)
        await page.locator("#before").focus()
        await page.evaluate("document.querySelector('xiaoer-chat').show()")
        await expect(part(page, "textarea")).to_be_focused()
        focused = "document.querySelector('xiaoer-chat').shadowRoot.activeElement?.className"
        stops = []
        for _ in range(8):
            await page.keyboard.press("Tab")
            stops.append(await page.evaluate(focused))
        assert None not in stops, "focus left the panel"
        assert "round close" in stops
        await page.keyboard.press("Shift+Tab")
        await page.keyboard.press("Escape")
        await expect(part(page, ".panel")).to_be_hidden()
        await expect(page.locator("#before")).to_be_focused()


async def test_any_element_of_the_page_can_ask(new_page: NewPage, fake: FakeServer) -> None:
    fake.embed(fake.url, 'data-lang="en"', body='<button data-xiaoer-ask="How do I return it?">Returns</button>')
    async with new_page() as page:
        await page.goto(fake.url)
        await page.get_by_role("button", name="Returns").click()
        await expect(part(page, "textarea")).to_have_value("How do I return it?")
        await page.keyboard.press("Enter")
        assert (await (await fake.peer()).next("message"))["text"] == "How do I return it?"


async def test_an_empty_chat_offers_questions(new_page: NewPage, fake: FakeServer) -> None:
    fake.embed(fake.url, 'data-open data-lang="en" data-questions="One?| Two? |" data-title="Ask Li"')
    async with new_page() as page:
        await page.goto(fake.url)
        await expect(page.get_by_role("dialog", name="Ask Li")).to_be_visible()
        assert await part(page, ".hello li").all_inner_texts() == ["One?", "Two?"]
        await part(page, ".hello").get_by_role("button", name="Two?").click()
        assert (await (await fake.peer()).next("message"))["text"] == "Two?"
        await expect(part(page, ".hello")).to_be_hidden()


@pytest.mark.parametrize(
    ("locale", "lang", "want"), [("zh-CN", "", "在线"), ("fr-FR", "", "Online"), ("en-GB", "zh", "在线")]
)
async def test_the_language_is_the_browsers_or_the_embeddings(
    new_page: NewPage, fake: FakeServer, locale: str, lang: str, want: str
) -> None:
    fake.embed(fake.url, f'data-open data-lang="{lang}"' if lang else "data-open")
    async with new_page(locale=locale) as page:
        await page.goto(fake.url)
        await expect(part(page, ".presence")).to_have_text(want)
        await page.evaluate("document.querySelector('xiaoer-chat').setAttribute('lang', 'en')")
        await expect(part(page, ".presence")).to_have_text("Online")


CONTRAST = """async () => {
  const { contrast } = await import("/widget/theme.js");
  const root = document.querySelector("xiaoer-chat").shadowRoot;
  const rgb = (value) => value.match(/[\\d.]+/g).map(Number);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement ?? at.getRootNode().host) {
      const colour = rgb(getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour.slice(0, 3);
    }
  };
  return ["h2", ".presence", ".hello h3", ".hello p", ".hello button", ".visitor .bubble", ".assistant .bubble",
    ".assistant a", ".sources a", ".note", ".time", ".system .bubble"].flatMap((name) => {
      const node = root.querySelector(name);
      const found = contrast(rgb(getComputedStyle(node).color).slice(0, 3), ground(node));
      return found >= 4.5 ? [] : [[name, found]];
    });
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_is_readable_on_every_colour(new_page: NewPage, fake: FakeServer, scheme: str) -> None:
    fake.csp = ""  # the test imports a module on the page itself
    async with new_page(color_scheme=scheme) as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        await peer.message(1, "visitor", "q")
        await peer.send("delta", seq=2, offset=0, text="a")
        await peer.send(
            "done",
            seq=2,
            finish_reason="upstream_error",
            html='<p>a <a href="/b">b</a></p>',
            sources=[{"title": "t", "url": "/t"}],
        )
        await peer.message(3, "system", "s")
        await eventually(lambda: rows(page), lambda seen: len(seen) == 3)
        for colour in ("", "#ffd400", "#e8503a", "navy", "black", "white"):
            await page.evaluate("(c) => document.querySelector('xiaoer-chat').setAttribute('color', c)", colour)
            assert await page.evaluate(CONTRAST) == [], colour


async def test_on_a_phone_it_fills_the_screen_and_holds_the_page(new_page: NewPage, fake: FakeServer) -> None:
    fake.embed(fake.url, 'data-lang="en"')
    async with new_page(**PHONE) as page:
        await page.goto(fake.url)
        await part(page, ".launcher").tap()
        await fake.peer()
        panel = part(page, ".panel")
        box = {"x": 0, "y": 0, "width": 390, "height": 844}
        await eventually(panel.bounding_box, box)
        await expect(panel).to_have_attribute("aria-modal", "true")
        overflow = "document.documentElement.style.overflow"
        assert await page.evaluate(overflow) == "hidden"
        # The keyboard comes up: what is left of the screen is what the panel takes.
        await page.set_viewport_size({"width": 390, "height": 500})
        await eventually(panel.bounding_box, {**box, "height": 500})
        await expect(part(page, "textarea")).to_be_in_viewport(ratio=1)
        await part(page, ".close").tap()
        assert await page.evaluate(overflow) == ""
        await page.set_viewport_size({"width": 1280, "height": 800})
        await part(page, ".launcher").tap()
        await expect(panel).to_have_attribute("aria-modal", "false")
        assert await page.evaluate(overflow) == ""


async def test_a_table_keeps_its_words_whole_and_a_long_word_breaks(new_page: NewPage, fake: FakeServer) -> None:
    region = "Xinjiang, Tibet, Qinghai, Gansu, Ningxia, Inner Mongolia and some more regions"
    cells = f"<tr><th>Region</th><th>Fee</th></tr><tr><td>{region}</td><td>¥20</td></tr>"
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        await peer.answer(1, "a", html=f"<table>{cells}</table><p>{'x' * 200}</p>")
        for cell in ("Fee", "¥20"):
            letters = await part(page, f".text :text-is('{cell}')").evaluate(
                """(node) => {
                    const range = document.createRange();
                    range.selectNodeContents(node);
                    return range.getClientRects().length;
                }"""
            )
            assert letters == 1, "the word is spread over lines"
        assert await part(page, ".scroll").evaluate("(node) => node.scrollWidth - node.clientWidth") == 0


async def test_reading_further_up_is_not_disturbed(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        for seq in range(1, 41):
            await peer.message(seq, "agent", f"line {seq}")
        await eventually(lambda: rows(page), lambda seen: len(seen) == 40)
        await expect(part(page, "[data-seq='40']")).to_be_in_viewport()
        await part(page, ".scroll").evaluate("node => node.scrollTo(0, 0)")
        await expect(part(page, ".latest")).to_be_visible()
        await peer.message(41, "agent", "line 41")
        await expect(part(page, "[data-seq='41']")).to_have_count(1)
        await expect(part(page, "[data-seq='1']")).to_be_in_viewport()
        await part(page, ".latest").click()
        await expect(part(page, "[data-seq='41']")).to_be_in_viewport()
        await expect(part(page, ".latest")).to_be_hidden()


async def test_reduced_motion_stands_still(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page(reduced_motion="reduce") as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        await peer.send("delta", seq=1, offset=0, text="growing")
        await peer.send("typing", role="agent")
        await rows_become(page, ("assistant", "growing"))
        moving = "document.querySelector('xiaoer-chat').shadowRoot.getAnimations().length"
        assert await page.evaluate(moving) == 0


async def test_it_works_where_storage_is_forbidden(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.add_init_script(
            """for (const name of ["localStorage", "sessionStorage"])
                 Object.defineProperty(window, name, { get() { throw new DOMException("no", "SecurityError"); } });"""
        )
        await page.goto(fake.url)
        peer = await fake.peer()
        await say(page, "hello")
        await peer.send("ack", client_id=(await peer.next("message"))["client_id"], seq=1)
        peer.cut()
        peer = await fake.peer(2)
        assert peer.query["token"] == "t1"
        assert peer.frames[0] == {"type": "resume", "after": 1}

"""Nothing missed, nothing twice: what the widget makes of drops, gaps, repeats, refusals and restarts."""

from __future__ import annotations

import pytest
from fake_chat_server import FakeServer
from playwright.async_api import expect
from widget_page import NewPage, eventually, part, rows, rows_become, say


async def test_first_resume_asks_for_everything_and_messages_are_acked(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        assert peer.frames[0] == {"type": "resume", "after": 0}
        assert peer.query == {"token": "t1", "html": "1"}
        assert peer.socket.ws_protocol == "xiaoer.v1"

        await say(page, "Do you ship abroad?")
        sent = await peer.next("message")
        assert sent["text"] == "Do you ship abroad?"
        assert len(sent["client_id"]) == 36
        await expect(part(page, ".row.visitor .note")).to_have_text("Sending…")
        await peer.send("ack", client_id=sent["client_id"], seq=1)
        await expect(part(page, ".row.visitor")).to_have_attribute("data-state", "sent")
        await expect(part(page, ".row.visitor .note")).to_have_count(0)


async def test_a_cut_in_the_middle_resumes_at_the_code_point(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        await peer.message(1, "visitor", "泡茶?", client_id="from-elsewhere")
        await peer.send("delta", seq=2, offset=0, text="水🍵🍵")
        await peer.send("delta", seq=2, offset=3, text="80 °C")
        await rows_become(page, ("visitor", "泡茶?"), ("assistant", "水🍵🍵80 °C"))
        peer.cut()

        peer = await fake.peer(2)
        # Three characters, two of them outside the BMP, and five more: 8 code points but 10 UTF-16 units.
        assert peer.frames[0] == {"type": "resume", "after": 2, "offset": 8}
        await peer.send("delta", seq=2, offset=1, text="🍵🍵80 °C, 🍃3 g")
        await rows_become(page, ("visitor", "泡茶?"), ("assistant", "水🍵🍵80 °C, 🍃3 g"))
        await peer.send("done", seq=2, finish_reason="stop", html="<p>水🍵🍵80 °C, 🍃3 g</p>")
        await expect(part(page, ".row.assistant .text p")).to_have_text("水🍵🍵80 °C, 🍃3 g")

        peer.cut()
        peer = await fake.peer(3)
        assert peer.frames[0] == {"type": "resume", "after": 2}


async def test_repeats_change_nothing(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        for _ in range(3):
            await peer.message(1, "visitor", "hello", client_id="c")
            await peer.send("delta", seq=2, offset=0, text="one ")
            await peer.send("delta", seq=2, offset=4, text="two")
        await peer.answer(2, "one two")
        await peer.answer(2, "one two")
        await peer.message(2, "assistant", "one two", html="<p>one two</p>")
        await peer.message(3, "system", "end")
        await rows_become(page, ("visitor", "hello"), ("assistant", "one two"), ("system", "end"))


async def test_a_gap_makes_it_resume_from_what_is_there(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        await peer.send("delta", seq=1, offset=0, text="abc")
        await peer.send("delta", seq=1, offset=9, text="jkl")
        peer = await fake.peer(2)
        assert peer.frames[0] == {"type": "resume", "after": 1, "offset": 3}
        await peer.send("delta", seq=1, offset=3, text="defghi")
        await peer.send("delta", seq=1, offset=9, text="jkl")
        await rows_become(page, ("assistant", "abcdefghijkl"))
        # The end of an answer that is not here is a gap too.
        await peer.send("done", seq=7, finish_reason="stop")
        peer = await fake.peer(3)
        assert peer.frames[0] == {"type": "resume", "after": 1, "offset": 12}


async def test_after_a_crash_the_whole_text_replaces_the_part(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        await peer.send("delta", seq=1, offset=0, text="more than was stored")
        await rows_become(page, ("assistant", "more than was stored"))
        await peer.message(1, "assistant", "more than", html="<p>more than</p>", status="interrupted")
        await peer.send("done", seq=1, finish_reason="restart", html="<p>more than</p>")
        await rows_become(page, ("assistant", "more than"))
        await expect(part(page, ".note")).to_have_text("This answer was cut short. You can ask again.")


async def test_a_whole_answer_without_its_end_is_resumed_at_its_length(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        await peer.message(1, "assistant", "🍵🍵 tea", html="<p>🍵🍵 tea</p>")
        await rows_become(page, ("assistant", "🍵🍵 tea"))
        peer.cut()
        peer = await fake.peer(2)
        assert peer.frames[0] == {"type": "resume", "after": 1, "offset": 6}
        await peer.send("done", seq=1, finish_reason="stop", sources=[{"title": "Tea", "url": "/help/demo/tea"}])
        await expect(part(page, ".sources a")).to_have_text("Tea")
        await rows_become(page, ("assistant", "🍵🍵 tea"))


async def test_messages_without_an_ack_are_sent_again_under_their_id(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        await say(page, "first")
        await say(page, "second")
        before = [(await peer.next("message", count))["client_id"] for count in (1, 2)]
        peer.cut()

        peer = await fake.peer(2)
        again = [await peer.next("message", count) for count in (1, 2)]
        assert [frame["client_id"] for frame in again] == before
        assert [frame["text"] for frame in again] == ["first", "second"]
        # The first had been stored after all: the log brings it, and the ack names the seq it has.
        await peer.message(1, "visitor", "first", client_id=before[0])
        await peer.send("ack", client_id=before[0], seq=1)
        await peer.send("ack", client_id=before[1], seq=2)
        await peer.answer(3, "Yes.")
        await rows_become(page, ("visitor", "first"), ("visitor", "second"), ("assistant", "Yes."))


async def test_what_was_not_sent_survives_a_reload(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        await say(page, "are you there?")
        sent = await peer.next("message")
        await page.reload()
        peer = await fake.peer(2)
        assert (await peer.next("message"))["client_id"] == sent["client_id"]
        await peer.send("ack", client_id=sent["client_id"], seq=1)
        await expect(part(page, ".row.visitor")).to_have_attribute("data-state", "sent")
        await page.reload()
        peer = await fake.peer(3)
        await peer.message(1, "visitor", "are you there?", client_id=sent["client_id"])
        await rows_become(page, ("visitor", "are you there?"))
        assert [frame["type"] for frame in peer.frames if frame["type"] == "message"] == []


async def test_a_masked_message_shows_as_it_was_stored(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        await say(page, "you darn shop")
        client_id = (await peer.next("message"))["client_id"]
        await peer.send("ack", client_id=client_id, seq=1)
        await peer.message(1, "visitor", "you **** shop", client_id=client_id)
        await rows_become(page, ("visitor", "you **** shop"))


async def test_a_rate_limit_is_obeyed_without_the_visitor(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        for text in ("one", "two", "three"):
            await say(page, text)
        ids = [(await peer.next("message", count))["client_id"] for count in (1, 2, 3)]
        for client_id in ids:
            await peer.send("error", code="rate_limited", message="Too fast.", retry_after=0.3, client_id=client_id)
        await expect(part(page, ".row.visitor .note").first).to_have_text("That was a bit fast. One moment, please.")
        # In their order, and one at a time: the next goes out only when the one before it is safe.
        for count, client_id in enumerate(ids, start=1):
            assert (await peer.next("message", 3 + count))["client_id"] == client_id
            assert len([frame for frame in peer.frames if frame["type"] == "message"]) == 3 + count
            await peer.send("ack", client_id=client_id, seq=count)
        await rows_become(page, ("visitor", "one"), ("visitor", "two"), ("visitor", "three"))
        await expect(part(page, ".note")).to_have_count(0)


async def test_a_refused_message_says_why_and_can_be_retried(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        await say(page, "hm")
        client_id = (await peer.next("message"))["client_id"]
        await peer.send("error", code="invalid_text", message="No.", client_id=client_id)
        note = part(page, ".row.visitor .note")
        await expect(note).to_contain_text("This message has characters that can't be sent.")
        await note.get_by_role("button", name="Retry").click()
        assert (await peer.next("message", 2))["client_id"] == client_id
        await peer.send("ack", client_id=client_id, seq=1)
        await expect(note).to_have_count(0)


async def test_an_error_of_no_message_is_shown_above_the_composer(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        await peer.send("error", code="busy", message="All lanes are full.")
        await expect(page.get_by_role("alert")).to_contain_text("Many people are asking right now.")


async def test_a_restarting_server_is_come_back_to_at_once(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        await expect(part(page, ".presence")).to_have_text("Online")
        await peer.close(1012)
        await expect(part(page, ".bar").first).to_contain_text("Connection lost. Reconnecting…")
        peer = await fake.peer(2)
        await expect(part(page, ".presence")).to_have_text("Online")
        await expect(part(page, ".bar").first).to_be_hidden()
        await peer.send("error", code="draining", message="Restarting.", retry_after=0.1)
        await fake.peer(3)
        assert len(fake.sessions) == 1, "a lost connection is no reason for a new token"


async def test_offline_is_told_and_online_reconnects(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        await fake.peer()
        await page.context.set_offline(True)
        await expect(part(page, ".bar").first).to_contain_text("You are offline.")
        await say(page, "later")
        await page.context.set_offline(False)
        peer = await fake.peer(2)
        assert (await peer.next("message"))["text"] == "later"


async def test_the_session_is_kept_and_renewed_with_the_old_token(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        await fake.peer()
        await page.reload()
        assert (await fake.peer(2)).query["token"] == "t1"
        assert fake.sessions == [{"tenant": "demo", "authorization": None}]

        fake.refuse_tokens.add("t1")
        await page.reload()
        assert (await fake.peer(3)).query["token"] == "t2"
        assert fake.sessions[1] == {"tenant": "demo", "visitor": "visitor-1", "authorization": "Bearer t1"}

        # The server has lost its key: the visitor begins anew, and the old history is not shown.
        fake.refuse_tokens.add("t2")
        fake.session_answers.append((401, {"code": "unauthorized"}))
        await page.reload()
        assert (await fake.peer(4)).query["token"] == "t4"
        assert fake.sessions[3] == {"tenant": "demo", "authorization": None}


async def test_another_conversation_begins_with_an_empty_log(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        await peer.message(1, "visitor", "old")
        await rows_become(page, ("visitor", "old"))
        fake.refuse_tokens.add("t1")
        fake.session_answers.append((404, {"code": "unknown_conversation"}))
        peer.cut()
        peer = await fake.peer(2)
        assert peer.frames[0] == {"type": "resume", "after": 0}
        await peer.message(1, "visitor", "new")
        await rows_become(page, ("visitor", "new"))


@pytest.mark.parametrize("answer", [(403, {"code": "forbidden_origin"}), (404, {"code": "unknown_tenant"})])
async def test_a_page_that_is_not_served_is_told_once(
    new_page: NewPage, fake: FakeServer, answer: tuple[int, dict[str, str]]
) -> None:
    async with new_page() as page:
        fake.session_answers += [answer]
        await page.goto(fake.url)
        await expect(part(page, ".bar").first).to_contain_text("The chat is not available on this page.")
        assert len(fake.sessions) == 1
        await part(page, ".bar button").first.click()
        await fake.peer()


async def test_too_many_sessions_are_waited_out(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        fake.session_answers.append((429, {"code": "rate_limited", "retry_after": 0.2}))
        await page.goto(fake.url)
        await fake.peer()
        assert len(fake.sessions) == 2


async def test_backoff_grows_with_jitter_up_to_half_a_minute(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        found = await page.evaluate(
            """async () => {
                const { backoff } = await import("/widget/connection.js");
                return [0, 1, 2, 5, 6, 40].map((attempt) => [backoff(attempt, () => 0), backoff(attempt, () => 1)]);
            }"""
        )
        assert found == [[250, 500], [500, 1000], [1000, 2000], [8000, 16000], [15000, 30000], [15000, 30000]]


async def test_a_thousand_entries_of_history_come_in_order(new_page: NewPage, fake: FakeServer) -> None:
    async with new_page() as page:
        await page.goto(fake.url)
        peer = await fake.peer()
        for seq in range(1, 1001):
            if seq % 2:
                await peer.message(seq, "visitor", f"q{seq}")
            else:
                await peer.message(seq, "assistant", f"a{seq}", html=f"<p>a{seq}</p>")
                await peer.send("done", seq=seq, finish_reason="stop")
        seen = await eventually(lambda: rows(page), lambda found: len(found) == 1000)
        assert [text for _, text in seen] == [f"{'q' if seq % 2 else 'a'}{seq}" for seq in range(1, 1001)]

"""The main job over real sockets: ask, read the answer, lose the connection, lose nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from benches.load.simulator import Simulator
from support.process import WIDE_LIMITS, XiaoerProcess, running, visit


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[XiaoerProcess]:
    """Without a model: the shop's own knowledge answers."""
    data = tmp_path_factory.mktemp("conversation") / "data"
    with running(data, toml=WIDE_LIMITS + "[answer]\nburst_ms = 150\n") as server:
        yield server


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(tokens=60, rate=50.0, first_token=0.3) as simulator:
        yield simulator


@pytest.fixture
async def modelled(tmp_path: Path, simulator: Simulator) -> AsyncIterator[XiaoerProcess]:
    """With a model that takes 0.3 s to its first token and 1.2 s for an answer."""
    toml = WIDE_LIMITS + f"[answer]\nburst_ms = 150\n[model]\nbase_url = '{simulator.base_url}'\nname = 'simulated'\n"
    with running(tmp_path / "data", toml=toml) as server:
        yield server


def history(server: XiaoerProcess, token: str) -> list[dict[str, Any]]:
    status, body = server.get("/api/chat/messages?limit=200", {"Authorization": f"Bearer {token}"})
    assert status == 200
    return json.loads(body)["messages"]


@pytest.mark.parametrize(("question", "part"), [("怎么退货？", "退"), ("How long does delivery take?", "deliver")])
async def test_a_question_is_answered_from_the_knowledge_with_its_source(
    server: XiaoerProcess, question: str, part: str
) -> None:
    async with visit(server, server.session()["token"]) as visitor:
        await visitor.say(question, "1")
        text, done = await visitor.answer()
    assert part in text
    assert done["finish_reason"] == "stop"
    url = done["sources"][0]["url"]
    status, page = await asyncio.to_thread(server.get, url)
    assert status == 200
    assert done["sources"][0]["title"].split("&")[0] in page.decode()
    assert sum(frame["type"] == "delta" for frame in visitor.frames) > 3


@pytest.mark.parametrize(("question", "part"), [("明天会下雨吗", "人工"), ("Who won the chess final?", "human")])
async def test_without_evidence_it_says_so_and_offers_a_human(server: XiaoerProcess, question: str, part: str) -> None:
    async with visit(server, server.session()["token"]) as visitor:
        await visitor.say(question, "1")
        text, done = await visitor.answer()
    assert part in text
    assert not done.get("sources")


async def test_messages_close_together_get_one_answer(server: XiaoerProcess) -> None:
    token = server.session()["token"]
    async with visit(server, token) as visitor:
        for number, text in enumerate(["你好", "我想问一下", "怎么退货"]):
            await visitor.say(text, str(number))
        await visitor.answer()
        with pytest.raises(TimeoutError):
            await visitor.next(0.7)
    assert [entry["role"] for entry in history(server, token)] == ["visitor"] * 3 + ["assistant"]


async def test_a_newer_message_before_the_first_token_is_answered_with_the_older(
    modelled: XiaoerProcess, simulator: Simulator
) -> None:
    token = modelled.session()["token"]
    async with visit(modelled, token) as visitor:
        await visitor.say("first part", "1")
        await asyncio.sleep(0.3)  # the burst is over, the model was asked, no token yet
        await visitor.say("second part", "2")
        await visitor.answer()
    assert [entry["role"] for entry in history(modelled, token)] == ["visitor", "visitor", "assistant"]
    contents = [message["content"] for message in simulator.requests[-1]["messages"]]
    assert contents[-2:] == ["first part", "second part"]


async def test_a_message_during_an_answer_is_answered_after_it(modelled: XiaoerProcess) -> None:
    token = modelled.session()["token"]
    async with visit(modelled, token) as visitor:
        await visitor.say("one", "1")
        await visitor.until("delta")
        await visitor.say("two", "2")
        await visitor.until("done", seq=2)
        await visitor.until("done", seq=4)
    assert [entry["role"] for entry in history(modelled, token)] == ["visitor", "assistant"] * 2


async def test_a_masked_word_is_masked_in_the_log_and_told_to_the_sender(server: XiaoerProcess) -> None:
    token = server.session()["token"]
    async with visit(server, token) as visitor:
        seq = await visitor.say("请加微信联系我", "1")
        message = await visitor.until("message", seq=seq)
    assert message["text"] == "请***联系我"
    assert history(server, token)[0]["text"] == "请***联系我"


async def test_a_resend_is_acked_again_and_there_once(server: XiaoerProcess) -> None:
    token = server.session()["token"]
    async with visit(server, token) as visitor:
        first = await visitor.say("怎么退货", "same")
        assert await visitor.say("怎么退货", "same") == first
        await visitor.answer()
    async with visit(server, token) as visitor:
        assert await visitor.say("怎么退货", "same") == first
        with pytest.raises(TimeoutError):
            await visitor.next(0.6)
    assert [entry["role"] for entry in history(server, token)] == ["visitor", "assistant"]


async def test_resume_in_the_middle_of_an_answer_misses_and_repeats_nothing(modelled: XiaoerProcess) -> None:
    token = modelled.session()["token"]
    text, seq = "", 0
    async with visit(modelled, token) as visitor:
        await visitor.say("tell me", "1")
        while len(text) < 20:
            frame = await visitor.until("delta")
            assert frame["offset"] == len(text)
            text, seq = text + frame["text"], frame["seq"]
    for _ in range(3):
        async with visit(modelled, token, resume={"after": seq, "offset": len(text)}) as visitor:
            for _ in range(5):
                frame = await visitor.next()
                if frame["type"] == "delta":
                    assert (frame["seq"], frame["offset"]) == (seq, len(text))
                    text += frame["text"]
    async with visit(modelled, token, resume={"after": seq, "offset": len(text)}) as visitor:
        while (frame := await visitor.next())["type"] != "done":
            if frame["type"] == "delta":
                assert frame["offset"] == len(text)
                text += frame["text"]
    assert history(modelled, token)[-1]["text"] == text


async def test_http_and_events_do_the_same_job(server: XiaoerProcess) -> None:
    token = server.session()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=10) as client:
        body = {"type": "message", "client_id": "h1", "text": "怎么开发票？"}
        answer = await client.post("/api/chat/messages", json=body)
        assert answer.json() == {"seq": 1}
        text, last_id = "", ""
        async with client.stream("GET", "/api/chat/events", headers={"Last-Event-ID": "1"}) as events:
            assert events.headers["content-type"].startswith("text/event-stream")
            async for line in events.aiter_lines():
                if line.startswith("id:"):
                    last_id = line[3:].strip()
                if line.startswith("data:"):
                    frame = json.loads(line[5:])
                    if frame["type"] == "delta":
                        assert frame["offset"] == len(text)
                        text += frame["text"]
                        assert last_id == f"2:{len(text)}"
                        if len(text) > 20:
                            break
        async with client.stream("GET", "/api/chat/events", headers={"Last-Event-ID": last_id}) as events:
            async for line in events.aiter_lines():
                if line.startswith("data:"):
                    frame = json.loads(line[5:])
                    if frame["type"] == "delta":
                        assert frame["offset"] == len(text)
                        text += frame["text"]
                    if frame["type"] == "done":
                        break
    assert "发票" in text
    assert history(server, token)[-1]["text"] == text


async def test_two_tabs_see_the_same_conversation(server: XiaoerProcess) -> None:
    token = server.session()["token"]
    async with visit(server, token) as one, visit(server, token) as two:
        await two.send(type="ping")
        await two.until("pong")
        seq = await one.say("怎么退货", "1")
        assert (await two.until("message", seq=seq))["text"] == "怎么退货"
        (text_one, _), (text_two, _) = await asyncio.gather(one.answer(), two.answer())
    assert text_one == text_two


async def test_visitors_never_see_each_other(server: XiaoerProcess) -> None:
    async def ask(number: int) -> None:
        async with visit(server, server.session()["token"]) as visitor:
            await visitor.say(f"怎么退货 canary{number}", "1")
            await visitor.answer()
            texts = json.dumps(visitor.frames)
            assert all(f"canary{other}" not in texts for other in range(20) if other != number)

    await asyncio.gather(*(ask(number) for number in range(20)))


async def test_an_ended_process_takes_up_what_it_left_unanswered(tmp_path: Path) -> None:
    server = XiaoerProcess(tmp_path / "data", toml=WIDE_LIMITS + "[answer]\nburst_ms = 400\n")
    server.start()
    try:
        token = server.session()["token"]
        async with visit(server, token) as visitor:
            await visitor.say("怎么退货", "1")
            server.kill()
        await asyncio.to_thread(server.start)
        async with visit(server, token, resume={"after": 1}) as visitor:
            text, done = await _whole(visitor)
        assert "退" in text
        assert done["finish_reason"] == "stop"
    finally:
        server.kill()


async def _whole(visitor: Any) -> tuple[str, dict[str, Any]]:
    """An answer, whether it comes as deltas or, finished before we came, as one message."""
    text = ""
    while True:
        frame = await visitor.next()
        if frame["type"] in {"delta", "message"}:
            text += frame["text"]
        elif frame["type"] == "done":
            return text, frame


async def test_sigterm_lets_the_answer_finish_and_sends_the_socket_away(modelled: XiaoerProcess) -> None:
    token = modelled.session()["token"]
    async with visit(modelled, token) as visitor:
        await visitor.say("tell me", "1")
        await visitor.until("delta")
        stopping = asyncio.ensure_future(asyncio.to_thread(modelled.stop))
        done = await visitor.until("done")
        assert done["finish_reason"] == "stop"
        with pytest.raises(websockets.ConnectionClosed) as closed:
            while True:
                await visitor.next()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        assert visitor.frames[-1]["type"] == "error"
        assert visitor.frames[-1]["code"] == "draining"
    assert await stopping == 0
    modelled.process = None


async def test_fifty_messages_at_once_are_each_acked_or_refused_with_a_time(tmp_path: Path) -> None:
    with running(tmp_path / "data", toml="[answer]\nburst_ms = 100\n") as server:
        token = server.session()["token"]
        async with visit(server, token) as visitor:
            for number in range(50):
                await visitor.send(type="message", client_id=str(number), text=f"问题 {number}")
            seen: dict[str, str] = {}
            while len(seen) < 50:
                frame = await visitor.next()
                if frame["type"] in {"ack", "error"}:
                    seen[frame["client_id"]] = frame["type"]
                    if frame["type"] == "error":
                        assert frame["code"] == "rate_limited"
                        assert frame["retry_after"] > 0
            acked = [number for number, kind in seen.items() if kind == "ack"]
            assert 20 <= len(acked) < 50
        texts = [entry["text"] for entry in history(server, token) if entry["role"] == "visitor"]
        assert texts == [f"问题 {number}" for number in acked]


async def test_when_all_lanes_are_full_it_says_busy(tmp_path: Path, simulator: Simulator) -> None:
    toml = (
        WIDE_LIMITS + "[answer]\nburst_ms = 0\nburst_max_ms = 0\nconcurrency = 1\nmax_waiting = 1\n"
        f"[model]\nbase_url = '{simulator.base_url}'\n"
    )
    with running(tmp_path / "data", toml=toml) as server:
        tokens = [server.session()["token"] for _ in range(4)]
        refused = 0
        for token in tokens:
            async with visit(server, token) as visitor:
                await visitor.send(type="message", client_id="1", text="hello")
                frame = await visitor.next()
                while frame["type"] == "typing":
                    frame = await visitor.next()
                if frame["type"] == "error":
                    assert frame["code"] == "busy"
                    assert frame["retry_after"] > 0
                    refused += 1
                await asyncio.sleep(0.05)
        assert refused >= 1
        # Not on this loop: it is the one that the simulator lives on, and answers under way are waited for.
        await asyncio.to_thread(server.stop)
        server.process = None

"""Thumbs up and down: the frame, its REST counterpart, and what is refused."""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import msgspec
import pytest
from edge_server import Edge
from edge_wire import bearer

from xiaoer_server.chat.entries import Entry, Flags
from xiaoer_server.chat.feedback import Feedback, question_before
from xiaoer_server.edge import wire
from xiaoer_server.errors import NotFound

FEEDBACK = "/api/chat/feedback"


class Forgetful:
    """A cache that notes what it is told to forget."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str | None]] = []

    async def dislike(self, tenant: str, asked_text: str, identity: str | None = None) -> bool:
        self.told.append((tenant, asked_text, identity))
        return True


async def conversation(edge: Edge, session: dict[str, str], answered_by: str = "cache:abc") -> Any:
    """你好 → an answer; 怎么退货, 要多久 → an answer by `answered_by`, entry 5."""
    log = edge.context.log
    found = await log.open("demo", session["conversation"])
    await log.append_wait(found, "visitor", "你好")
    await log.append_wait(found, "assistant", "您好")
    await log.append_wait(found, "visitor", "怎么退货")
    await log.append_wait(found, "visitor", "要多久")
    live = await log.begin_answer(found, answered_by)
    live.append("七天")
    await live.finish("stop", None)
    return found


async def give(edge: Edge, token: str, seq: Any, value: Any) -> Any:
    async with edge.connect() as wire_:
        return await wire_.post(FEEDBACK, msgspec.json.encode({"seq": seq, "value": value}), bearer(token))


@pytest.mark.parametrize(("answered_by", "identity"), [("cache:abc", "abc"), ("model:gpt", None), ("knowledge", None)])
async def test_a_thumbs_down_reaches_the_cache(edge: Edge, answered_by: str, identity: str | None) -> None:
    cache = Forgetful()
    edge.context.feedback = Feedback(edge.context.log, cache)
    session = await edge.session()
    await conversation(edge, session, answered_by)
    for seq in (5, 5.0):
        assert (await give(edge, session["token"], seq, "down")).status == 204
    assert cache.told == [("demo", "怎么退货\n要多久", identity)] * 2
    assert (await give(edge, session["token"], 5, "up")).status == 204
    assert len(cache.told) == 2


@pytest.mark.parametrize(
    ("seq", "value", "status", "code"),
    [
        (4, "down", 404, "unknown_answer"),
        (6, "down", 404, "unknown_answer"),
        (0, "up", 404, "unknown_answer"),
        (2**53 - 1, "up", 404, "unknown_answer"),
        (2**53, "up", 400, "invalid_request"),
        (-1, "up", 400, "invalid_request"),
        (1.5, "up", 400, "invalid_request"),
        ("5", "up", 400, "invalid_request"),
        (5, "sideways", 400, "invalid_request"),
        (5, None, 400, "invalid_request"),
    ],
)
async def test_what_is_refused(edge: Edge, seq: Any, value: Any, status: int, code: str) -> None:
    cache = Forgetful()
    edge.context.feedback = Feedback(edge.context.log, cache)
    session = await edge.session()
    await conversation(edge, session)
    reply = await give(edge, session["token"], seq, value)
    assert (reply.status, reply.json["code"]) == (status, code)
    assert not cache.told


async def test_nobody_judges_in_anothers_conversation(edge: Edge) -> None:
    cache = Forgetful()
    edge.context.feedback = Feedback(edge.context.log, cache)
    await conversation(edge, await edge.session())
    stranger = await edge.session()
    assert (await give(edge, stranger["token"], 5, "down")).status == 404
    assert (await give(edge, "no token", 5, "down")).status == 401
    assert not cache.told


async def test_without_a_taker_it_is_refused(edge: Edge) -> None:
    session = await edge.session()
    await conversation(edge, session)
    reply = await give(edge, session["token"], 5, "down")
    assert (reply.status, reply.json["code"]) == (404, "feedback_off")


async def test_an_answer_that_still_grows_is_not_judged(edge: Edge) -> None:
    log = edge.context.log
    session = await edge.session()
    found = await log.open("demo", session["conversation"])
    await log.append_wait(found, "visitor", "怎么退货")
    live = await log.begin_answer(found, "model:m")
    live.append("七")
    with pytest.raises(NotFound):
        await Feedback(log, None).give(found, 2, "up")
    await live.finish("stop", None)
    await Feedback(log, None).give(found, 2, "up")


def test_the_frame() -> None:
    value: Literal["up", "down"]
    for value in ("up", "down"):
        frame = wire.decode(msgspec.json.encode({"type": "feedback", "seq": 3, "value": value}), 100)
        assert frame == wire.FeedbackFrame(3, value)
    for bad in ({"seq": 3}, {"seq": -1, "value": "up"}, {"seq": 3, "value": "no"}, {"seq": "3", "value": "up"}):
        with pytest.raises(wire.Refused) as refused:
            wire.decode(msgspec.json.encode({"type": "feedback", **bad}), 100)
        assert refused.value.error.code == "invalid_frame"


def test_what_an_answer_answers() -> None:
    def entry(seq: int, role: Any, text: str, flags: Flags | None = None) -> Entry:
        return Entry(seq, role, text, 0, flags=flags)

    entries = [
        entry(1, "visitor", "old"),
        entry(2, "agent", "answer"),
        entry(3, "visitor", "怎么退货"),
        entry(4, "visitor", "blocked", Flags("block", ["x"])),
        entry(5, "system", "notice"),
        entry(6, "visitor", "要多久"),
    ]
    assert question_before(entries) == "怎么退货\n要多久"
    assert question_before([]) == ""


async def test_the_frame_over_a_socket(edge: Edge) -> None:
    import aiohttp

    cache = Forgetful()
    edge.context.feedback = Feedback(edge.context.log, cache)
    session = await edge.session()
    await conversation(edge, session)
    address = f"ws://127.0.0.1:{edge.port}/api/chat/ws?token={session['token']}"
    async with aiohttp.ClientSession() as client, client.ws_connect(address) as socket:
        await socket.send_json({"type": "resume", "after": 5})
        await socket.send_json({"type": "feedback", "seq": 5, "value": "down"})
        for seq in (4, 99):
            await socket.send_json({"type": "feedback", "seq": seq, "value": "down"})
            frame = await asyncio.wait_for(socket.receive_json(), 10)
            assert (frame["type"], frame["code"]) == ("error", "unknown_answer")
    assert cache.told == [("demo", "怎么退货\n要多久", "abc")]

"""The model cannot be asked: earlier answers, then the articles, then a human, and the visitor is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from support.desk import Desk, Disk, Model, well
from xiaoer_server.brain.answerer import UNKNOWN
from xiaoer_server.brain.semantic_cache import SemanticCache
from xiaoer_server.chat.handoff import NOTICE
from xiaoer_server.demo import shop
from xiaoer_server.errors import Unavailable
from xiaoer_server.llm.provider import ModelError
from xiaoer_server.ops import metrics
from xiaoer_server.store import handoffs as rows
from xiaoer_server.store.engine import Store
from xiaoer_server.store.handoffs import HandOff
from xiaoer_server.store.tenants import Tenants
from xiaoer_server.store.visitors import Visitors


async def gone(_say: Callable[[str], None]) -> str:
    raise ModelError("open", "every breaker is open", retry_after=5.0)


async def boxed(say: Callable[[str], None]) -> str:
    say("In its box.")
    return "stop"


class Shop:
    """A store on the disk that can be opened anew, with the pipeline over it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.store: Store
        self.desk: Desk

    async def open(self, conversation: str = "") -> Desk:
        self.store = await Store.open(self.folder)
        await Tenants(self.store).ensure("demo", name="Demo")
        cache = SemanticCache(None, max_bytes=1_000_000, folder=self.folder / "cache")
        self.desk = Desk(self.store, Model(), Disk(self.store, self.monkeypatch), handoffs=True, cache=cache)
        self.desk.id = conversation or await self.visitor()
        assert self.desk.handoffs is not None
        await self.desk.handoffs.load()
        await self.desk.pipeline.start()
        return self.desk

    async def visitor(self) -> str:
        return (await Visitors(self.store).create("demo"))[1]

    async def close(self) -> None:
        self.desk.disk.broken = False
        await self.desk.pipeline.drain(0)
        await self.store.close()

    async def restart(self) -> Desk:
        await self.close()
        return await self.open(self.desk.id)

    async def rows(self) -> list[HandOff]:
        return await rows.HandOffs(self.store).open()


@pytest.fixture
async def desks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    shop = Shop(tmp_path / "data", monkeypatch)
    await shop.open()
    yield shop
    await shop.close()


def waiting() -> float | None:
    return metrics.REGISTRY.get_sample_value("xiaoer_handoffs_waiting")


async def settled(desk: Desk) -> None:
    """Nothing is being answered or waits to be."""
    async with asyncio.timeout(5):
        while not desk.pipeline.lanes.idle:
            await asyncio.sleep(0.005)


async def test_an_earlier_answer_is_given_again_and_marked(desks: Shop) -> None:
    desk = desks.desk
    desk.model.scripts = [boxed, gone]
    await desk.say("How do I return tea?")
    await desk.until("How do I return tea?", "In its box.")
    desk.id = await desks.visitor()
    await desk.say("how do I return TEA")
    await desk.until("how do I return TEA", "In its box.")
    answer = (await desk.entries())[-1]
    assert (answer.role, answer.status) == ("assistant", "complete")
    assert answer.answered_by is not None
    assert answer.answered_by.startswith("cache:")
    assert len(desk.model.asked) == 1, "the model was asked though the answer was known"
    assert await desks.rows() == []


async def test_only_whole_answers_to_opening_questions_are_kept(desks: Shop) -> None:
    async def cut(say: Callable[[str], None]) -> str:
        say("In its b")
        return "length"

    desk = desks.desk
    desk.model.scripts = [cut, boxed, gone]
    await desk.say("How do I return tea?")
    await desk.until("How do I return tea?", "In its b")
    await desk.say("And green tea?")
    await desk.until("How do I return tea?", "In its b", "And green tea?", "In its box.")
    for question in ("How do I return tea?", "And green tea?"):
        desk.id = await desks.visitor()
        await desk.say(question)
        await desk.until(question, NOTICE["en"])


async def test_in_the_middle_of_a_conversation_an_earlier_answer_may_be_wrong(desks: Shop) -> None:
    desk = desks.desk
    desk.model.scripts = [boxed, well, gone]
    await desk.say("How is it sent?")
    await desk.until("How is it sent?", "In its box.")
    desk.id = await desks.visitor()
    await desk.say("One cup, please.")
    await desk.until("One cup, please.", "well")
    await desk.say("How is it sent?")
    await desk.until("One cup, please.", "well", "How is it sent?", NOTICE["en"])


async def test_the_articles_answer_before_a_human_is_fetched(desks: Shop) -> None:
    await shop.load(desks.store, "demo")
    desk = await desks.restart()
    desk.model.scripts = [gone]
    await desk.say("怎么退货？")
    await settled(desk)
    answer = (await desk.entries())[-1]
    assert (answer.role, answer.answered_by) == ("assistant", "knowledge")
    assert answer.sources
    assert await desks.rows() == []


async def test_a_human_is_fetched_and_the_visitor_told_once(desks: Shop) -> None:
    desk = desks.desk
    desk.model.scripts = [gone]
    await desk.say("你们能修茶壶吗？")
    await desk.until("你们能修茶壶吗？", NOTICE["zh"])
    notice = (await desk.entries())[-1]
    [handoff] = await desks.rows()
    assert (notice.role, notice.client_id, notice.answered_by) == ("system", None, f"handoff:{handoff.id}")
    assert (handoff.conversation, handoff.number, handoff.state) == (desk.id, 1, "waiting")
    assert (handoff.reason, handoff.language, handoff.told) == ("open", "zh", True)
    assert waiting() == 1
    await desk.say("还有茶盘？")
    await settled(desk)
    await desk.until("你们能修茶壶吗？", NOTICE["zh"], "还有茶盘？")
    assert await desks.rows() == [handoff]
    desk.model.scripts = [well]
    await desk.say("在吗")
    await desk.until("你们能修茶壶吗？", NOTICE["zh"], "还有茶盘？", "在吗", "well")
    assert desk.model.asked[-1] == ["你们能修茶壶吗？", "还有茶盘？", "在吗"], "what nobody answered is asked again"


async def test_it_survives_a_restart_and_is_not_told_again(desks: Shop) -> None:
    desks.desk.model.scripts = [gone]
    await desks.desk.say("repair?")
    await desks.desk.until("repair?", NOTICE["en"])
    before = await desks.rows()
    desk = await desks.restart()
    assert waiting() == 1
    desk.model.scripts = [gone]
    await desk.say("hello? repair?")
    await settled(desk)
    await desk.until("repair?", NOTICE["en"], "hello? repair?")
    assert await desks.rows() == before


async def test_a_crash_before_the_notice_leaves_it_to_be_told(desks: Shop) -> None:
    desk = desks.desk
    handoff = HandOff("demo", "some-id", desk.id, 1, "open", "en", "waiting", 5)
    await rows.HandOffs(desks.store).insert(handoff)
    await desk.log.append_wait(await desk.open(), "visitor", "repair?", client_id="1")
    desk = await desks.restart()
    assert desk.handoffs is not None
    assert desk.handoffs.find("demo", desk.id) == handoff
    desk.model.scripts = [gone]
    assert await desk.log.recover() == [("demo", desk.id)]
    desk.pipeline.resume("demo", desk.id)
    await desk.until("repair?", NOTICE["en"])
    handoff.told = True
    assert await desks.rows() == [handoff]


async def test_a_disk_that_takes_nothing_is_waited_for(desks: Shop) -> None:
    desk = desks.desk

    async def breaking(say: Callable[[str], None]) -> str:
        desk.disk.broken = True
        return await gone(say)

    desk.model.scripts = [breaking, gone]
    await desk.say("repair?")
    while not desk.model.asked or desk.log.writable:
        await asyncio.sleep(0.005)
    assert waiting() == 0
    desk.disk.broken = False
    await desk.until("repair?", NOTICE["en"])
    assert len(await desks.rows()) == 1


@pytest.mark.parametrize("step", ["row", "notice"])
async def test_what_could_not_be_stored_can_be_asked_for_again(desks: Shop, step: str) -> None:
    desk = desks.desk
    assert desk.handoffs is not None
    conversation = await desk.open()
    if step == "notice":
        await rows.HandOffs(desks.store).insert(HandOff("demo", "some-id", desk.id, 1, "busy", "en", "waiting", 5))
        await desk.handoffs.load()
    desk.disk.broken = True
    with pytest.raises(Unavailable):
        await desk.handoffs.hand_over(conversation, "busy", "en")
    desk.disk.broken = False
    while not desk.log.writable:
        await asyncio.sleep(0.005)
    await desk.handoffs.hand_over(await desk.open(), "busy", "en")
    await desk.until(NOTICE["en"])
    assert [handoff.told for handoff in await desks.rows()] == [True]


async def test_it_is_opened_once_however_many_ask_and_whoever_gives_up(desks: Shop) -> None:
    desk = desks.desk
    assert desk.handoffs is not None
    conversation = await desk.open()
    given_up = asyncio.create_task(desk.handoffs.hand_over(conversation, "timeout", "en"))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(*(desk.handoffs.hand_over(conversation, "timeout", "en") for _ in range(20)))
    await desk.until(NOTICE["en"])
    assert len(await desks.rows()) == 1
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_when_it_is_done_the_next_one_is_told_anew(desks: Shop) -> None:
    desk = desks.desk
    assert desk.handoffs is not None
    desk.model.scripts = [gone]
    await desk.say("repair?")
    await desk.until("repair?", NOTICE["en"])
    assert await desk.handoffs.set_state("demo", desk.id, "taken")
    assert waiting() == 0
    assert [handoff.state for handoff in await desks.rows()] == ["taken"]
    assert await desk.handoffs.set_state("demo", desk.id, "done")
    assert await desks.rows() == []
    assert not await desk.handoffs.set_state("demo", desk.id, "taken")
    desk = await desks.restart()
    desk.model.scripts = [gone]
    await desk.say("and cups?")
    await desk.until("repair?", NOTICE["en"], "and cups?", NOTICE["en"])
    assert [handoff.number for handoff in await desks.rows()] == [2]


async def test_the_database_refuses_a_second_one_of_the_same_number(desks: Shop) -> None:
    handoffs = rows.HandOffs(desks.store)
    await handoffs.insert(HandOff("demo", "one", desks.desk.id, 1, "open", "en", "waiting", 5))
    with pytest.raises(IntegrityError):
        await handoffs.insert(HandOff("demo", "two", desks.desk.id, 1, "open", "en", "waiting", 5))
    with pytest.raises(IntegrityError):
        await handoffs.insert(HandOff("demo", "two", "unknown", 1, "open", "en", "waiting", 5))


async def test_a_model_that_breaks_off_after_its_first_words_fetches_nobody(desks: Shop) -> None:
    async def broken(say: Callable[[str], None]) -> str:
        say("In the bo")
        raise ModelError("truncated", "broke off")

    desks.desk.model.scripts = [broken]
    await desks.desk.say("repair?")
    await desks.desk.until("repair?", "In the bo")
    assert await desks.rows() == []


async def test_without_any_model_the_built_in_answerer_says_that_it_does_not_know(desks: Shop) -> None:
    desks.desk.pipeline._provider = None
    await desks.desk.say("repair?")
    await desks.desk.until("repair?", UNKNOWN["en"])
    assert await desks.rows() == []

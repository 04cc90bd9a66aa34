"""The pipeline with a model that does as it is told and a disk that fails when it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from support.desk import Desk, Disk, Model, well
from xiaoer_server.brain.knowledge import Passage
from xiaoer_server.chat import lanes as lanes_module
from xiaoer_server.config import ModelSettings, TenantSettings
from xiaoer_server.errors import ServerError
from xiaoer_server.llm.provider import ModelError
from xiaoer_server.ops import metrics
from xiaoer_server.store.engine import Store
from xiaoer_server.store.tenants import Tenants
from xiaoer_server.store.visitors import Visitors


@pytest.fixture
async def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    store = await Store.open(tmp_path / "data")
    await Tenants(store).ensure("demo", name="Demo")
    desk = Desk(store, Model(), Disk(store, monkeypatch))
    desk.id = (await Visitors(store).create("demo"))[1]
    await desk.pipeline.start()
    yield desk
    desk.disk.broken = False
    await desk.pipeline.drain(0)
    assert desk.pipeline.lanes.idle, "a turn was left behind"
    await store.close()


async def test_what_waits_is_answered_though_a_later_commit_failed(desk: Desk) -> None:
    hold = asyncio.Event()

    async def slow(say: Callable[[str], None]) -> str:
        await hold.wait()
        return await well(say)

    desk.model.scripts = [slow, well]
    await desk.say("one")
    desk.disk.broken = True
    with pytest.raises(ServerError):
        await desk.say("two")
    desk.disk.broken = False
    hold.set()
    await desk.until("one", "well")


async def test_a_message_beside_an_answer_that_outlived_a_failed_commit_is_answered(desk: Desk) -> None:
    hold = asyncio.Event()

    async def slow(say: Callable[[str], None]) -> str:
        say("first")
        await hold.wait()
        return "stop"

    desk.model.scripts = [slow, well]
    await desk.say("one")
    while (await desk.open()).durable < 2:
        await asyncio.sleep(0.005)
    before = await desk.open()
    desk.disk.broken = True
    with pytest.raises(ServerError):
        await desk.say("two")
    desk.disk.broken = False
    assert await desk.open() is not before
    assert await desk.say("two") == 3
    await asyncio.sleep(0.05)
    hold.set()
    await desk.until("one", "first", "two", "well")
    assert desk.model.asked[-1][-1] == "two"


async def test_an_answer_the_disk_refused_comes_once_it_takes_it(desk: Desk) -> None:
    async def breaking(say: Callable[[str], None]) -> str:
        desk.disk.broken = True
        return await well(say)

    desk.model.scripts = [breaking, well]
    await desk.say("one")
    while len(desk.model.asked) < 1 or desk.log.writable:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.2)
    assert len(desk.model.asked) == 1, "the model was asked for an answer that cannot be stored"
    desk.disk.broken = False
    await desk.until("one", "well")


async def test_a_defect_is_told_to_the_visitor_and_the_next_question_is_answered(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> list[Passage]:
        raise ValueError("a defect")

    with monkeypatch.context() as context:
        context.setattr(desk.knowledge, "search", fail)
        await desk.say("one")
        await desk.until("one", lanes_module.FAILED["en"])
    await desk.say("two")
    await desk.until("one", lanes_module.FAILED["en"], "two", "well")


async def test_what_may_begin_a_word_is_dropped_where_an_answer_breaks_off(desk: Desk) -> None:
    async def broken(say: Callable[[str], None]) -> str:
        for piece in ("it is a se", "cre"):
            say(piece)
        raise ModelError("truncated", "broke off")

    async def whole(say: Callable[[str], None]) -> str:
        for piece in ("a 秘密", "武"):
            say(piece)
        return "stop"

    desk.model.scripts = [broken, whole]
    await desk.say("one")
    await desk.until("one", "it is a ")
    entry = (await desk.entries())[-1]
    assert (entry.status, entry.finish_reason) == ("interrupted", "upstream_error")
    await desk.say("two")
    await desk.until("one", "it is a ", "two", "a **武")


async def test_the_first_token_is_measured_once_an_answer(desk: Desk) -> None:
    async def held_back(say: Callable[[str], None]) -> str:
        for piece in ("s", "e", "c", "o", "nd"):
            say(piece)
        return "stop"

    async def nothing_but_held_back(say: Callable[[str], None]) -> str:
        say("sec")
        return "stop"

    desk.model.scripts = [held_back, nothing_but_held_back]
    count = metrics.REGISTRY.get_sample_value("xiaoer_first_token_seconds_count") or 0.0
    await desk.say("one")
    await desk.until("one", "second")
    await desk.say("two")
    await desk.until("one", "second", "two", "sec")
    assert metrics.REGISTRY.get_sample_value("xiaoer_first_token_seconds_count") == count + 2


async def test_a_newer_message_while_the_first_token_is_held_back_joins_the_question(desk: Desk) -> None:
    async def stuck(say: Callable[[str], None]) -> str:
        say("sec")
        await asyncio.sleep(60)
        return "stop"

    desk.model.scripts = [stuck, well]
    await desk.say("one")
    while not desk.model.asked:
        await asyncio.sleep(0.005)
    await desk.say("two")
    await desk.until("one", "two", "well")
    assert desk.model.asked[-1][-2:] == ["one", "two"]


async def test_an_answer_that_was_given_up_says_nothing_more(desk: Desk) -> None:
    async def stubborn(say: Callable[[str], None]) -> str:
        try:
            await asyncio.sleep(60)
        finally:
            say("too late")  # as bytes do that were in the socket already
        return "stop"

    desk.model.scripts = [stubborn, well]
    await desk.say("one")
    while not desk.model.asked:
        await asyncio.sleep(0.005)
    await desk.say("two")
    await desk.until("one", "two", "well")
    assert desk.model.asked[-1][-2:] == ["one", "two"]


async def test_a_burst_longer_than_the_history_is_asked_whole(desk: Desk) -> None:
    hold = asyncio.Event()

    async def slow(say: Callable[[str], None]) -> str:
        say("first")
        await hold.wait()
        return "stop"

    desk.model.scripts = [slow, well]
    await desk.say("0")
    while (await desk.open()).durable < 2:
        await asyncio.sleep(0.005)
    asked = [str(number) for number in range(1, 31)]
    await asyncio.gather(*(desk.say(text) for text in asked))
    hold.set()
    await desk.until("0", "first", *asked, "well")
    assert desk.model.asked[-1] == asked


async def test_a_drain_ends_an_answer_whose_upstream_stalls(desk: Desk) -> None:
    async def stalled(say: Callable[[str], None]) -> str:
        say("begun se")
        await asyncio.sleep(60)
        return "stop"

    desk.model.scripts = [stalled]
    await desk.say("one")
    while (await desk.open()).durable < 2:
        await asyncio.sleep(0.005)
    async with asyncio.timeout(5):
        await desk.pipeline.drain(0.05)
    entry = (await desk.entries())[-1]
    assert (entry.text, entry.status, entry.finish_reason) == ("begun ", "interrupted", "restart")


async def test_a_tenant_that_is_no_more_has_nobody_to_answer(desk: Desk) -> None:
    desk.pipeline.resume("gone", desk.id)
    await desk.say("one")
    await desk.until("one", "well")


async def test_what_a_restart_left_is_answered_without_a_reader(desk: Desk) -> None:
    await desk.log.append_wait(await desk.open(), "visitor", "one", client_id="1")
    desk.pipeline.resume("demo", desk.id)
    await desk.until("one", "well")


@pytest.mark.parametrize(("wanted", "held"), [(None, None), (0.4, 0.4), (1.9, 0.5), (0.0, 0.3)])
async def test_a_tenants_own_options_are_held_between_the_operators_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: float | None, held: float | None
) -> None:
    store = await Store.open(tmp_path / "data")
    await Tenants(store).ensure("demo", name="Demo")
    limits = ModelSettings(temperature_min=0.3, temperature_max=0.5)
    tenant = TenantSettings(temperature=wanted, max_tokens=77)
    desk = Desk(store, Model(), Disk(store, monkeypatch), tenant=tenant, limits=limits)
    desk.id = (await Visitors(store).create("demo"))[1]
    await desk.pipeline.start()
    await desk.say("one")
    await desk.until("one", "well")
    [request] = desk.model.requests
    assert (request.tenant, request.conversation) == ("demo", desk.id)
    assert (request.temperature, request.max_tokens) == (held, 77)
    await desk.pipeline.drain(0)
    await store.close()

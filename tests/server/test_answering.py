"""The pipeline with a model that does as it is told and a disk that fails when it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from xiaoer import Word, WordFilter
from xiaoer_server.brain.knowledge import Knowledge, Passage
from xiaoer_server.chat import pipeline as pipeline_module
from xiaoer_server.chat.conversation import Conversation
from xiaoer_server.chat.entries import Entry
from xiaoer_server.chat.log import ConversationLog
from xiaoer_server.chat.pipeline import Pipeline
from xiaoer_server.config import AnswerSettings, Settings
from xiaoer_server.errors import ServerError
from xiaoer_server.llm.provider import ModelError, ModelRequest
from xiaoer_server.ops import metrics
from xiaoer_server.store import writer as writer_module
from xiaoer_server.store.engine import Store
from xiaoer_server.store.tenants import Tenants
from xiaoer_server.store.visitors import Visitors
from xiaoer_server.store.writer import Operation

Script = Callable[[Callable[[str], None]], Awaitable[str]]


async def well(say: Callable[[str], None]) -> str:
    say("well")
    return "stop"


class Model:
    """Follows its scripts, the last one for ever."""

    name = "told"

    def __init__(self) -> None:
        self.scripts: list[Script] = [well]
        self.asked: list[list[str]] = []
        self.requests: list[ModelRequest] = []

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def stream(
        self,
        request: ModelRequest,
        on_text: Callable[[str], None],
        on_progress: Callable[[int, int], None] | None = None,
    ) -> str:
        self.requests.append(request)
        self.asked.append([message.content for message in request.messages if message.role == "user"])
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        return await script(on_text)


class Disk:
    """Fails every commit while `broken`."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.broken = False
        commit = store.writer._commit

        def commit_or_fail(group: list[Operation]) -> dict[int, Exception]:
            if self.broken:
                raise OperationalError("COMMIT", {}, OSError("disk full"))
            return commit(group)

        monkeypatch.setattr(store.writer, "_commit", commit_or_fail)
        monkeypatch.setattr(writer_module, "PROBE_SECONDS", 0.02)
        monkeypatch.setattr(pipeline_module, "STORE_RETRY_SECONDS", 0.02)


class Desk:
    """A pipeline and one conversation."""

    def __init__(self, store: Store, model: Model, disk: Disk, *, burst_ms: int = 0) -> None:
        self.store = store
        self.model = model
        self.disk = disk
        self.log = ConversationLog(store)
        self.knowledge = Knowledge(store)
        self.pipeline = Pipeline(
            Settings(answer=AnswerSettings(burst_ms=burst_ms)),
            self.log,
            self.knowledge,
            {"demo": WordFilter([Word("secret"), Word("秘密"), Word("秘密武器")])},
            {"demo": ("Demo", "")},
            model,
        )
        self.id = ""

    async def open(self) -> Conversation:
        return await self.log.open("demo", self.id)

    async def say(self, text: str, client_id: str | None = None) -> int:
        """Post a message as the visitor; returns its seq once it is durable."""
        told: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def done(seq: int, error: ServerError | None, _stored: str | None) -> None:
            if error is None:
                told.set_result(seq)
            else:
                told.set_exception(error)

        self.pipeline.accept(await self.open(), client_id or text, text, done)
        return await told

    async def entries(self) -> list[Entry]:
        return await ConversationLog(self.store).range("demo", self.id, after=0, limit=100)

    async def until(self, *wanted: str) -> None:
        """Wait until the log has exactly these texts and nothing is under way."""
        async with asyncio.timeout(10):
            while True:
                entries = await self.entries()
                if tuple(entry.text for entry in entries) == wanted and all(e.status != "streaming" for e in entries):
                    return
                await asyncio.sleep(0.01)


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
    assert desk.pipeline._turns == {}, "a turn was left behind"
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
        await desk.until("one", pipeline_module.FAILED["en"])
    await desk.say("two")
    await desk.until("one", pipeline_module.FAILED["en"], "two", "well")


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

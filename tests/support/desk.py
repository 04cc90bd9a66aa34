"""A pipeline over a real store, with a model that does as it is told and a disk that fails when it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy.exc import OperationalError

from xiaoer import Word, WordFilter
from xiaoer_server.brain.knowledge import Knowledge
from xiaoer_server.brain.semantic_cache import SemanticCache
from xiaoer_server.chat import lanes as lanes_module
from xiaoer_server.chat.conversation import Conversation
from xiaoer_server.chat.entries import Entry
from xiaoer_server.chat.handoff import HandOffs
from xiaoer_server.chat.log import ConversationLog
from xiaoer_server.chat.pipeline import Pipeline
from xiaoer_server.config import AnswerSettings, ModelSettings, Settings, TenantSettings
from xiaoer_server.errors import ServerError
from xiaoer_server.llm.provider import ModelRequest
from xiaoer_server.store import writer as writer_module
from xiaoer_server.store.engine import Store
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
        monkeypatch.setattr(lanes_module, "STORE_RETRY_SECONDS", 0.02)


class Desk:
    """A pipeline and one conversation. Without `handoffs` nobody waits for a human."""

    def __init__(
        self,
        store: Store,
        model: Model,
        disk: Disk,
        *,
        burst_ms: int = 0,
        handoffs: bool = False,
        tenant: TenantSettings | None = None,
        limits: ModelSettings | None = None,
        cache: SemanticCache | None = None,
    ) -> None:
        self.store = store
        self.model = model
        self.disk = disk
        self.log = ConversationLog(store)
        self.knowledge = Knowledge(store)
        self.handoffs = HandOffs(store, self.log) if handoffs else None
        self.pipeline = Pipeline(
            Settings(
                answer=AnswerSettings(burst_ms=burst_ms, without_evidence="model"),
                model=limits or ModelSettings(),
                tenants={"demo": tenant or TenantSettings()},
            ),
            self.log,
            self.knowledge,
            {"demo": WordFilter([Word("secret"), Word("秘密"), Word("秘密武器")])},
            {"demo": ("Demo", "")},
            model,
            self.handoffs,
            cache,
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

"""What makes the chat understand, put together: the model process, intents, knowledge, the cache of answers.

A part of the composition root; `app` opens it after the store and closes it before. Every part works without the
model process, by words alone, and takes the models into use when they are there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from litestar.types import ControllerRouterHandler
from sqlalchemy.exc import SQLAlchemyError

from .brain import intent_commands, intent_examples, kb_commands
from .brain.intents import Intents
from .brain.knowledge import ANY, Knowledge
from .brain.semantic_cache import SemanticCache
from .cache_path import CachePath
from .config import Settings
from .demo import intents as demo_intents
from .desk import auth
from .desk.intents import intent_routes
from .desk.kb import kb_handlers
from .errors import ServerError
from .infer.interface import Infer
from .infer.nothing import NoInfer
from .infer.service import InferService
from .store.articles import Articles
from .store.engine import Store

log = logging.getLogger(__name__)

#: How often it is looked whether the model process is there, to train a demo shop's intents the first time, in seconds.
LOOK_SECONDS = 0.5


class Understanding:
    """See `open`."""

    def __init__(self, settings: Settings, store: Store, data: Path, service: InferService | None) -> None:
        infer: Infer = service.client if service is not None else NoInfer()
        own = settings.intents
        self._settings = settings
        self._store = store
        self._service = service
        self._infer = infer
        self._tasks: list[asyncio.Task[None]] = []
        self._cache: CachePath | None = None
        articles = settings.knowledge
        self.knowledge = Knowledge(
            store,
            service.client if service is not None and articles.embed else None,
            seconds=articles.question_seconds,
        )
        self.intents = Intents(
            store, infer, threshold=own.threshold, deadline=own.deadline_seconds, keep=own.keep_versions
        )

    @classmethod
    async def open(cls, settings: Settings, store: Store, data: Path, tenants: Iterable[str]) -> Understanding:
        """Start the model process where there is one to start, and load what was learned and kept.

        Raises:
            SQLAlchemyError: the store cannot be read.
        """
        names = list(tenants)
        understanding = cls(settings, store, data, InferService.open(settings.infer, data))
        try:
            await understanding.intents.load(names)
            await understanding._open_cache(data, names)
        except BaseException:
            await understanding.close()
            raise
        return understanding

    @property
    def cache(self) -> SemanticCache | None:
        """What the model answered before; None where it is switched off."""
        return self._cache.cache if self._cache is not None else None

    def start(self, tenants: Iterable[str]) -> None:
        """Begin with what goes on beside the visitors; whoever asks before it is done is answered by words."""
        names = list(tenants)
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._read(names)))
        demo = [name for name in names if self._settings.tenants[name].demo]
        if demo and self._service is not None:
            self._tasks.append(loop.create_task(self._teach(demo)))

    async def close(self) -> None:
        """End what runs, and write what the next start takes up."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self.knowledge.stop()
        if self._cache is not None:
            await self._cache.close()
        if self._service is not None:
            await self._service.close()

    def commands(self) -> Mapping[str, intent_commands.Command]:
        """What the command line may ask of a running server."""
        threshold = self._settings.answer.evidence_threshold
        kb = kb_commands.Commands(self.knowledge, self._store, self._settings.tenants, threshold)
        cache = self._cache.commands() if self._cache is not None else {}
        return {**intent_commands.commands(self.intents), **kb.all(), **cache}

    def routes(self) -> list[ControllerRouterHandler]:
        """The REST of a tenant's administration, under /api/admin."""
        handlers = kb_handlers(
            self.knowledge,
            Articles(self._store),
            auth.admin_tenant,
            threshold=self._settings.answer.evidence_threshold,
            guards=[auth.admin_only],
            security=auth.SECURITY,
        )
        return [intent_routes(self.intents), *handlers]

    # -- beside the visitors ----------------------------------------------------------------------------------

    async def _read(self, tenants: list[str]) -> None:
        try:
            await self.knowledge.start(tenants)
        except SQLAlchemyError as error:
            log.error("the articles could not be read: %s", error)

    async def _teach(self, tenants: list[str]) -> None:
        """A demo shop without intents learns the ones that come with it."""
        for tenant in tenants:
            try:
                if await self.intents.versions(tenant):
                    continue
                if not await self.intents.examples(tenant):
                    examples = await asyncio.to_thread(intent_examples.read, demo_intents.FILE)
                    await self.intents.put(tenant, examples)
                while not self._infer.ready:  # noqa: ASYNC110 - once in a shop's life
                    await asyncio.sleep(LOOK_SECONDS)
                version = await self.intents.train(tenant)
                log.info("the intents of the demo shop %s are learned, version %d", tenant, version.version)
            except (ServerError, SQLAlchemyError, intent_examples.ExamplesError) as error:
                log.error("the intents of the demo shop %s could not be learned: %s", tenant, error)
            except Exception:
                log.exception("the intents of the demo shop %s could not be learned", tenant)

    # -- between the parts ------------------------------------------------------------------------------------

    async def _open_cache(self, data: Path, tenants: list[str]) -> None:
        versions = await self.knowledge.read_versions(tenants)
        if not self._settings.cache.enabled:
            return
        infer = self._service.client if self._service is not None else None
        self._cache = await CachePath.open(self._settings.cache, infer, self._store, data, versions, self._standing)
        self.knowledge.on_change(self._edited)

    def _edited(self, tenant: str, slugs: Collection[str]) -> None:
        assert self.cache is not None
        if ANY in slugs:
            self.cache.clear(tenant)
        self.cache.changed(tenant, slugs, self.knowledge.version(tenant))

    async def _standing(self, tenant: str, question: str) -> Collection[str]:
        answer = self._settings.answer
        passages = await self.knowledge.search(tenant, question, limit=answer.passages)
        return {passage.article for passage in passages if passage.score >= answer.evidence_threshold}

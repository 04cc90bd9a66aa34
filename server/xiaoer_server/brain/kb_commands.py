"""What `xiaoer kb` asks for, by the name it has on the control socket. Arguments and answers are JSON."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Container
from pathlib import Path
from typing import Any

import msgspec

from ..errors import BadRequest, NotFound
from ..store.articles import Articles
from ..store.engine import Store
from . import kb_eval
from .importers.job import Import, Report
from .knowledge import By, Knowledge

Command = Callable[[dict[str, Any]], Awaitable[Any]]

#: Imports whose reports are kept, the newest ones; refusals that an answer names.
KEPT_IMPORTS, MOST_REFUSALS = 16, 1_000

WAYS: tuple[By, ...] = ("words", "meaning", "both")


class Commands:
    """The commands.

    Args:
        tenants: Those that there are.
        threshold: The least evidence that an answer needs.
    """

    def __init__(self, knowledge: Knowledge, store: Store, tenants: Container[str], threshold: float = 0.5) -> None:
        self._knowledge = knowledge
        self._articles = Articles(store)
        self._tenants = tenants
        self._threshold = threshold
        self._imports: dict[int, Report] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._number = 0

    def all(self) -> dict[str, Command]:
        """By name."""
        return {
            "kb.import": self.start_import,
            "kb.import_state": self.import_state,
            "kb.list": self.list,
            "kb.delete": self.delete,
            "kb.search": self.search,
            "kb.eval": self.evaluate,
            "kb.curate": self.curate,
            "kb.curated": self.curated,
            "kb.uncurate": self.uncurate,
            "kb.unanswered": self.unanswered,
            "kb.answered": self.answered,
            "kb.state": self.state,
        }

    async def start_import(self, arguments: dict[str, Any]) -> Any:
        """Begin an import of files and folders by their absolute paths and site maps by their addresses; returns its
        number. With `wait` the report, once it is done."""
        tenant = self._tenant(arguments)
        places = _texts(arguments, "places")
        lang = arguments.get("lang")
        if lang not in (None, "zh", "en"):
            raise BadRequest("lang is zh or en.", param="lang")
        job = Import(
            self._knowledge, self._articles, tenant, lang=lang, allow_private=bool(arguments.get("allow_private"))
        )
        self._number += 1
        number = self._number
        self._imports[number] = job.report
        while len(self._imports) > KEPT_IMPORTS:
            del self._imports[next(iter(self._imports))]
        if arguments.get("wait"):
            return _shown(await job.paths(places))
        task = asyncio.create_task(_to_its_end(job, places))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return {"import": number}

    async def import_state(self, arguments: dict[str, Any]) -> Any:
        """How far an import is."""
        report = self._imports.get(int(arguments.get("import", 0)))
        if report is None:
            raise NotFound("There is no such import.")
        return _shown(report)

    async def list(self, arguments: dict[str, Any]) -> Any:
        """The tenant's articles."""
        return msgspec.to_builtins(await self._articles.listed(self._tenant(arguments), limit=None))

    async def delete(self, arguments: dict[str, Any]) -> Any:
        """Remove articles; returns the slugs of those that were there."""
        tenant, slugs = self._tenant(arguments), _texts(arguments, "slugs")
        there = await self._knowledge.delete(tenant, *slugs)
        if not there:
            raise NotFound(f"There is no article {', '.join(slugs)}.")
        return {"deleted": there}

    async def search(self, arguments: dict[str, Any]) -> Any:
        """What a visitor who asks this would be answered from."""
        tenant, question = self._tenant(arguments), _text(arguments, "question")
        way = arguments.get("by") or ""
        limit = max(1, min(20, int(arguments.get("limit") or 5)))
        if way:
            if way not in WAYS:
                raise BadRequest(f"by is {', '.join(WAYS)}.", param="by")
            found = await self._knowledge.compare(tenant, question, limit=limit, by=way)
        else:
            found = await self._knowledge.search(tenant, question, limit=limit)
        return {"threshold": self._threshold, "passages": msgspec.to_builtins(found)}

    async def evaluate(self, arguments: dict[str, Any]) -> Any:
        """Measure search on a file of questions, or on the demo shop's own."""
        tenant, path = self._tenant(arguments), arguments.get("file")
        try:
            questions = await asyncio.to_thread(kb_eval.read, Path(path)) if path else kb_eval.demo_questions()
        except kb_eval.EvalError as error:
            raise BadRequest(str(error)) from None
        meaning = self._knowledge.meaning
        ways = WAYS if meaning is not None and meaning.ready(tenant) else ("words",)
        return {
            "questions": len(questions),
            "encoder": meaning.encoder if meaning is not None else "",
            "figures": [
                msgspec.to_builtins(
                    await kb_eval.measure(self._knowledge, tenant, questions, by=way, threshold=self._threshold)
                )
                for way in ways
            ],
        }

    async def curate(self, arguments: dict[str, Any]) -> Any:
        """Add a fixed answer, or change one."""
        made = await self._knowledge.curated.put(
            self._tenant(arguments),
            _texts(arguments, "questions"),
            _text(arguments, "answer"),
            slug=arguments.get("slug"),
            fixed=arguments.get("id"),
        )
        return msgspec.to_builtins(made)

    async def curated(self, arguments: dict[str, Any]) -> Any:
        """The fixed answers."""
        return msgspec.to_builtins(await self._knowledge.curated.all(self._tenant(arguments)))

    async def uncurate(self, arguments: dict[str, Any]) -> Any:
        """Remove a fixed answer."""
        await self._knowledge.curated.delete(self._tenant(arguments), _text(arguments, "id"))
        return {}

    async def unanswered(self, arguments: dict[str, Any]) -> Any:
        """What nobody could answer, the most asked first."""
        return msgspec.to_builtins(await self._knowledge.unanswered.all(self._tenant(arguments)))

    async def answered(self, arguments: dict[str, Any]) -> Any:
        """Forget a group of questions."""
        await self._knowledge.unanswered.delete(self._tenant(arguments), _text(arguments, "id"))
        return {}

    async def state(self, arguments: dict[str, Any]) -> Any:
        """How many articles there are, and how far they are embedded."""
        tenant = self._tenant(arguments)
        meaning = self._knowledge.meaning
        done, total = meaning.state(tenant) if meaning is not None else (0, 0)
        return {
            "articles": await self._articles.count(tenant),
            "version": self._knowledge.version(tenant),
            "encoder": meaning.encoder if meaning is not None else "",
            "embedded": done,
            "chunks": total,
        }

    def _tenant(self, arguments: dict[str, Any]) -> str:
        tenant = _text(arguments, "tenant")
        if tenant not in self._tenants:
            raise NotFound(f"There is no tenant {tenant}.", code="unknown_tenant")
        return tenant


async def _to_its_end(job: Import, places: list[str]) -> None:
    try:
        await job.paths(places)
    finally:
        job.report.finished = True


def _shown(report: Report) -> Any:
    shown = msgspec.to_builtins(report)
    shown["refused"] = shown["refused"][:MOST_REFUSALS]
    shown["refusals"] = len(report.refused)
    return shown


def _text(arguments: dict[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadRequest(f"{name} is missing.", param=name)
    return value


def _texts(arguments: dict[str, Any], name: str) -> list[str]:
    value = arguments.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(text, str) for text in value):
        raise BadRequest(f"{name} is missing.", param=name)
    return value

"""An import: files, folders and site maps become articles of a tenant. What is bad is named and left out."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Literal

import msgspec

from ...store.articles import Article, Articles
from ..knowledge import Knowledge
from . import markdown_file, table
from .articles import article_of
from .child import read_apart
from .document import MOST_BYTES, Document, Read, Refusal, Unreadable

#: Files of an import, pages of a site, and articles that are written at once.
MOST_FILES, MOST_PAGES, TOGETHER = 20_000, 2_000, 50

KINDS = {
    ".md": "markdown", ".markdown": "markdown", ".txt": "markdown",
    ".html": "html", ".htm": "html", ".xhtml": "html",
    ".csv": "csv", ".tsv": "csv", ".pdf": "pdf", ".docx": "docx",
}  # fmt: skip

Language = Literal["zh", "en"]


class Report(msgspec.Struct):
    """What an import did. `done` of `total` files and pages were looked at."""

    total: int = 0
    done: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: list[Refusal] = []
    finished: bool = False


async def read_file(name: str, data: bytes) -> Read:
    """The documents of a file.

    Raises:
        Unreadable: nothing can be made of it.
    """
    kind = KINDS.get(Path(name).suffix.lower())
    if kind is None:
        raise Unreadable(f"is none of {', '.join(KINDS)}")
    if len(data) > MOST_BYTES:
        raise Unreadable(f"has more than {MOST_BYTES >> 20} MB")
    if not data:
        raise Unreadable("is empty")
    if kind == "markdown":
        return Read([await asyncio.to_thread(markdown_file.read, data)])
    if kind == "csv":
        return await asyncio.to_thread(table.read, data)
    return await read_apart(kind, data)


class Import:
    """One import into one tenant.

    Args:
        lang: The language of all of it; None: as each file says, or looks.
        allow_private: A site map may be on this machine or network.
        progress: Called with the report whenever it has changed.
    """

    def __init__(
        self,
        knowledge: Knowledge,
        articles: Articles,
        tenant: str,
        *,
        lang: Language | None = None,
        allow_private: bool = False,
        progress: Callable[[Report], object] = lambda _: None,
    ) -> None:
        self._knowledge = knowledge
        self._articles = articles
        self._tenant = tenant
        self._lang = lang
        self._allow_private = allow_private
        self._progress = progress
        self._waiting: dict[str, tuple[Article, str]] = {}
        self._given: dict[str, str] = {}
        self.report = Report()

    async def paths(self, places: Sequence[str]) -> Report:
        """Import files, folders with all in them, and site maps by their address.

        Raises:
            SQLAlchemyError: the store cannot write; what came before is stored.
        """
        sites = [place for place in places if place.startswith(("http://", "https://"))]
        files = await asyncio.to_thread(
            lambda: [found for place in places if place not in sites for found in _files(Path(place))]
        )
        self.report.total = len(files) + len(sites)
        for name, path in files:
            await self._file(name, path)
        for site in sites:
            await self._site(site)
        await self._write()
        self.report.finished = True
        self._progress(self.report)
        return self.report

    async def upload(self, name: str, data: bytes) -> Report:
        """Import one file that is not on this machine's disk."""
        self.report.total = 1
        await self._data(name, name, data)
        await self._write()
        self.report.done, self.report.finished = 1, True
        return self.report

    async def _file(self, name: str, path: Path) -> None:
        try:
            size = await asyncio.to_thread(lambda: path.stat().st_size)
            data = await asyncio.to_thread(path.read_bytes) if size <= MOST_BYTES else None
        except OSError as error:
            self._refuse(str(path), f"cannot be read: {error.strerror}")
        else:
            if data is None:
                self._refuse(str(path), f"has more than {MOST_BYTES >> 20} MB")
            else:
                await self._data(str(path), name, data)
        self._step()

    async def _data(self, shown: str, name: str, data: bytes) -> None:
        try:
            read = await read_file(name, data)
        except Unreadable as error:
            self._refuse(shown, str(error))
            return
        for refusal in read.refused:
            self._refuse(f"{shown}, {refusal.name}", refusal.reason)
        rows = KINDS[Path(name).suffix.lower()] == "csv"
        for document in read.documents:
            await self._document(shown, _row_name(name, document) if rows else name, document)

    async def _site(self, url: str) -> None:
        # In a thread, and not before: aiohttp takes longer to import than the loop may stand still.
        await asyncio.to_thread(import_module, f"{__package__}.sitemap")
        from .sitemap import Site, page_name
        from .web import Web

        try:
            async with Web(url, allow_private=self._allow_private) as web:
                site = Site(web, url, most=MOST_PAGES)
                urls = await site.urls()
                self.report.total += len(urls)
                async for page, found in site.documents(urls):
                    if isinstance(found, Refusal):
                        self._refuse(found.name, found.reason)
                    else:
                        await self._document(page, page_name(page), found)
                    self._step()
                for refusal in site.refused:
                    self._refuse(refusal.name, refusal.reason)
        except Unreadable as error:
            self._refuse(url, str(error))
        self._step()

    async def _document(self, shown: str, name: str, document: Document) -> None:
        try:
            article = article_of(document, name, self._lang)
        except Unreadable as error:
            self._refuse(shown, str(error))
            return
        if (other := self._given.get(article.slug)) is not None:
            self._refuse(shown, f"has the address {article.slug}, which {other} has already")
            return
        self._given[article.slug] = shown
        self._waiting[article.slug] = (article, shown)
        if len(self._waiting) >= TOGETHER:
            await self._write()

    async def _write(self) -> None:
        """Store what is new or changed. It is told of its articles one time each, at the end of its batch."""
        waiting, self._waiting = self._waiting, {}
        known = {article.slug: article for article in await self._articles.of_slugs(self._tenant, list(waiting))}
        fresh = [article for article, _ in waiting.values() if known.get(article.slug) != article]
        await self._knowledge.put(self._tenant, *fresh)
        changed = sum(article.slug in known for article in fresh)
        self.report.added += len(fresh) - changed
        self.report.changed += changed
        self.report.unchanged += len(waiting) - len(fresh)

    def _refuse(self, name: str, reason: str) -> None:
        self.report.refused.append(Refusal(name, reason))

    def _step(self) -> None:
        self.report.done += 1
        self._progress(self.report)


def _row_name(name: str, document: Document) -> str:
    """A row is known by its question, wherever in the table it stands."""
    return f"{Path(name).with_suffix('')}-{hashlib.sha256(document.title.encode()).hexdigest()[:10]}.csv"


def _files(place: Path) -> Iterator[tuple[str, Path]]:
    """(name, path) of a file, or of all files of known kinds in a folder; a name is the path below the folder."""
    if not place.is_dir():
        yield place.name, place
        return
    count = 0
    for path in sorted(place.rglob("*")):
        # What a link leads to may be anything of this machine.
        if (
            path.is_symlink()
            or not path.is_file()
            or any(part.startswith(".") for part in path.relative_to(place).parts)
        ):
            continue
        if path.suffix.lower() in KINDS and count < MOST_FILES:
            count += 1
            yield path.relative_to(place).as_posix(), path

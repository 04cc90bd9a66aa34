"""Site maps (https://www.sitemaps.org/protocol.html): which pages a site has, as far as its robots.txt lets us read
them (RFC 9309)."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from urllib.parse import urljoin, urlsplit
from urllib.robotparser import RobotFileParser
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

from .child import read_apart
from .document import Document, Refusal, Unreadable
from .encoding import decode
from .markdown_file import read as read_markdown
from .web import AGENT, Page, Web

#: Bytes of a site map once unpacked, site maps that one may name, and how deep.
MAP_BYTES, MOST_MAPS, DEEPEST = 20 << 20, 50, 2

#: A site's wish for seconds between pages is kept up to here.
LONGEST_DELAY = 10.0


class Site:
    """The pages that a site map names.

    Args:
        most: Pages that are read.
    """

    def __init__(self, web: Web, url: str, *, most: int) -> None:
        self._web = web
        self._url = url
        self._most = most
        self._robots = RobotFileParser()
        self._delay = 0.0
        self.refused: list[Refusal] = []

    async def urls(self) -> list[str]:
        """All pages of the site map and of those that it names, each once.

        Raises:
            Unreadable: the site map cannot be fetched or is none.
        """
        await self._read_robots()
        found: dict[str, None] = {}
        maps = {self._url: 0}
        waiting = [(self._url, 0)]
        while waiting:
            url, depth = waiting.pop(0)
            try:
                pages, more = _entries(await self._map(url))
            except Unreadable as error:
                if url == self._url:
                    raise
                self.refused.append(Refusal(url, str(error)))
                continue
            found.update(dict.fromkeys(pages))
            for other in more:
                if depth < DEEPEST and other not in maps and len(maps) < MOST_MAPS:
                    maps[other] = depth + 1
                    waiting.append((other, depth + 1))
        if len(found) > self._most:
            self.refused.append(
                Refusal(self._url, f"names {len(found)} pages, of which the first {self._most} are read")
            )
        return list(found)[: self._most]

    async def documents(self, urls: list[str]) -> AsyncIterator[tuple[str, Document | Refusal]]:
        """Each page, or why it is left out, with its name."""
        for number, url in enumerate(urls):
            if number and self._delay:
                await asyncio.sleep(self._delay)
            try:
                yield url, await self._document(url)
            except Unreadable as error:
                yield url, Refusal(url, str(error))

    async def _read_robots(self) -> None:
        page = await self._web.get(urljoin(self._url, "/robots.txt"), most=512 << 10, missing=True)
        # A site without one lets everybody in.
        lines = decode(page.data).splitlines() if page.status == 200 else []
        self._robots.parse(lines)
        delay = self._robots.crawl_delay(AGENT)
        self._delay = min(float(delay), LONGEST_DELAY) if delay else 0.0

    async def _map(self, url: str) -> bytes:
        data = (await self._web.get(url, most=MAP_BYTES)).data
        if data[:2] != b"\x1f\x8b":
            return data
        unpacking = zlib.decompressobj(wbits=31)
        try:
            unpacked = unpacking.decompress(data, MAP_BYTES)
        except zlib.error:
            raise Unreadable("is broken gzip") from None
        if unpacking.unconsumed_tail:
            raise Unreadable(f"unpacks to more than {MAP_BYTES >> 20} MB")
        return unpacked

    async def _document(self, url: str) -> Document:
        if not self._robots.can_fetch(AGENT, url):
            raise Unreadable("may not be read, says the site's robots.txt")
        page = await self._web.get(url)
        if page.kind in ("text/html", "application/xhtml+xml"):
            read = await read_apart(f"html:{page.charset}" if page.charset else "html", page.data)
            return read.documents[0]
        if page.kind == "application/pdf":
            return (await read_apart("pdf", page.data)).documents[0]
        if page.kind in ("text/markdown", "text/plain"):
            return _plain(page)
        raise Unreadable(f"is {page.kind}, no page that can be read")


def _plain(page: Page) -> Document:
    return read_markdown(page.data)


def page_name(url: str) -> str:
    """The path of a page, by which its article is named."""
    parts = urlsplit(url)
    path = f"{parts.path.strip('/') or 'index'}{'-' + parts.query if parts.query else ''}"
    return path if path.lower().endswith((".html", ".htm", ".md", ".pdf", ".txt")) else f"{path}.html"


def _entries(data: bytes) -> tuple[list[str], list[str]]:
    """(pages, site maps) that a site map names."""
    try:
        root = fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise Unreadable("its XML defines entities") from None
    except (ParseError, ValueError, RecursionError) as error:
        raise Unreadable(f"is no XML: {str(error)[:100]}") from None
    name = root.tag.rpartition("}")[2]
    if name not in ("urlset", "sitemapindex"):
        raise Unreadable("is no site map")
    places = [
        place.text.strip()
        for entry in root
        for place in entry
        if place.tag.rpartition("}")[2] == "loc" and place.text and place.text.strip()
    ]
    return (places, []) if name == "urlset" else ([], places)

"""Articles of the knowledge base: the texts as people write and read them. What search reads is in `chunks.py`."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Literal

import msgspec
from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint, func, select

from .engine import Store
from .schema import MYSQL, Json, LongText, Slug, metadata

articles = Table(
    "articles",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("tenant", Slug, ForeignKey("tenants.id"), nullable=False),
    Column("slug", String(128), nullable=False),
    Column("topic", String(128), nullable=False),
    Column("lang", String(2), nullable=False),
    Column("title", String(255), nullable=False),
    Column("asks", Json, nullable=False),
    Column("body", LongText, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    UniqueConstraint("tenant", "slug"),
    Index(None, "tenant", "topic"),
    **MYSQL,
)

_SHOWN = (
    articles.c.slug,
    articles.c.topic,
    articles.c.lang,
    articles.c.title,
    articles.c.asks,
    articles.c.body,
)


class Article(msgspec.Struct, frozen=True):
    """One article in one language.

    Args:
        slug: Its address, unique within the tenant.
        topic: What its translations have in common; the slug itself if it has none.
        title: At most 255 characters.
        asks: Ways in which people ask for it; searched, never shown.
        body: Markdown.
    """

    slug: str
    topic: str
    lang: Literal["zh", "en"]
    title: str
    asks: list[str]
    body: str


class Listed(msgspec.Struct, frozen=True):
    """What a list shows of an article. `updated_at` is in milliseconds since the epoch."""

    slug: str
    topic: str
    lang: str
    title: str
    updated_at: int


class Articles:
    """The repository, for reading. Every call names the tenant. `store.chunks` writes."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, tenant: str, slug: str) -> Article | None:
        """The article of that slug."""
        found = await self._read(articles.c.tenant == tenant, articles.c.slug == slug)
        return found[0] if found else None

    async def all(self, tenant: str) -> list[Article]:
        """All articles, by slug."""
        return await self._read(articles.c.tenant == tenant)

    async def page(self, tenant: str, after: str, limit: int) -> list[Article]:
        """The next articles by slug after that one; `""` is before all."""
        return await self._read(articles.c.tenant == tenant, articles.c.slug > after, limit=limit)

    async def of_topics(self, tenant: str, topics: Collection[str]) -> list[Article]:
        """The articles of these topics, by slug."""
        return await self._read(articles.c.tenant == tenant, articles.c.topic.in_(topics))

    async def of_slugs(self, tenant: str, slugs: Collection[str]) -> list[Article]:
        """The articles of these slugs, by slug."""
        return await self._read(articles.c.tenant == tenant, articles.c.slug.in_(slugs))

    async def count(self, tenant: str) -> int:
        """How many articles there are."""
        statement = select(func.count()).select_from(articles).where(articles.c.tenant == tenant)
        async with self._store.engine.connect() as connection:
            return int((await connection.execute(statement)).scalar_one())

    async def listed(self, tenant: str, after: str = "", limit: int | None = 1_000) -> list[Listed]:
        """What there is, by slug, without the bodies."""
        row = articles.c
        statement = (
            select(row.slug, row.topic, row.lang, row.title, row.updated_at)
            .where(row.tenant == tenant, row.slug > after)
            .order_by(row.slug)
            .limit(limit)
        )
        async with self._store.engine.connect() as connection:
            return [Listed(*found) for found in await connection.execute(statement)]

    async def _read(self, *conditions: object, limit: int | None = None) -> list[Article]:
        statement = select(*_SHOWN).where(*conditions).order_by(articles.c.slug)  # type: ignore[arg-type]
        async with self._store.engine.connect() as connection:
            return [Article(*row) for row in await connection.execute(statement.limit(limit))]


def row_of(tenant: str, article: Article) -> dict[str, object]:
    """The article's row."""
    return {"tenant": tenant, **msgspec.structs.asdict(article), "updated_at": time.time_ns() // 1_000_000}


def by_topic(found: Sequence[Article]) -> dict[str, list[Article]]:
    """Articles grouped by topic."""
    groups: dict[str, list[Article]] = {}
    for article in found:
        groups.setdefault(article.topic, []).append(article)
    return groups

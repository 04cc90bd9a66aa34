"""Articles of the knowledge base, and their full-text index on SQLite.

The index is FTS5 with the trigram tokenizer, which cannot find the two-character words that Chinese mostly consists
of. So it indexes a copy of the text in which every Chinese character stands alone between spaces: of `退 款` the
trigram is the whole pair, and ` 退 ` a single character. Triggers keep the index equal to the table in the same
transaction, whoever writes.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from typing import Literal

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
)

from .engine import Store
from .schema import MYSQL, Json, LongText, Slug, metadata

articles = Table(
    "articles",
    metadata,
    # FTS5 knows a row by a number that must survive VACUUM, so the key is not (tenant, slug).
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("tenant", Slug, ForeignKey("tenants.id"), nullable=False),
    Column("slug", String(128), nullable=False),
    Column("topic", String(128), nullable=False),
    Column("lang", String(2), nullable=False),
    Column("title", String(255), nullable=False),
    Column("asks", Json, nullable=False),
    Column("body", LongText, nullable=False),
    Column("title_terms", LongText, nullable=False),
    Column("asks_terms", LongText, nullable=False),
    Column("body_terms", LongText, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    UniqueConstraint("tenant", "slug"),
    Index(None, "tenant", "topic"),
    **MYSQL,
)

#: bm25 weights of the index's columns: tenant (not indexed), title, asks, body.
_CANDIDATES = text(
    "SELECT a.topic FROM articles_index JOIN articles AS a ON a.id = articles_index.rowid"
    " WHERE articles_index MATCH :query AND articles_index.tenant = :tenant"
    " ORDER BY bm25(articles_index, 0.0, 4.0, 3.0, 1.0) LIMIT :limit"
)
_SHOWN = (
    articles.c.slug,
    articles.c.topic,
    articles.c.lang,
    articles.c.title,
    articles.c.asks,
    articles.c.body,
)
_INSERT = insert(articles)
_DELETE = delete(articles).where(articles.c.tenant == bindparam("of_tenant"), articles.c.slug == bindparam("of_slug"))
_DELETE_ALL = delete(articles).where(articles.c.tenant == bindparam("of_tenant"))


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


class SearchText(msgspec.Struct, frozen=True):
    """What the index holds of an article: words with one space between and around them."""

    title: str
    asks: str
    body: str


def searchable(words: Iterable[str]) -> str:
    """Words as the index wants them: separated by spaces, also at both ends."""
    return f" {' '.join(words)} "


def match_query(phrases: Iterable[str]) -> str:
    """An FTS5 query that finds any of the phrases. Each is quoted, so none is syntax; the trigram tokenizer takes
    no phrase of less than three characters, and those are left out."""
    quoted = ('"' + phrase.replace('"', '""') + '"' for phrase in phrases if len(phrase) >= 3)
    return " OR ".join(quoted)


class Articles:
    """The repository. Every call names the tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def replace(self, tenant: str, rows: Sequence[tuple[Article, SearchText]]) -> None:
        """Make `rows` the tenant's articles, in one transaction.

        Raises:
            SQLAlchemyError: a slug stands twice, or the store cannot write; the old articles are still there.
        """
        steps: list[tuple[object, dict[str, object]]] = [(_DELETE_ALL, {"of_tenant": tenant})]
        steps += [(_INSERT, _row(tenant, article, found)) for article, found in rows]
        await self._store.writer.together(steps)  # type: ignore[arg-type]

    async def put(self, tenant: str, article: Article, found: SearchText) -> None:
        """Add an article, or replace the one of the same slug."""
        await self._store.writer.together(
            [
                (_DELETE, {"of_tenant": tenant, "of_slug": article.slug}),
                (_INSERT, _row(tenant, article, found)),
            ]
        )

    async def delete(self, tenant: str, slug: str) -> None:
        """Remove an article and all that search knows of it; nothing happens if there is none."""
        await self._store.writer.run(_DELETE, {"of_tenant": tenant, "of_slug": slug})

    async def get(self, tenant: str, slug: str) -> Article | None:
        """The article of that slug."""
        found = await self._read(articles.c.tenant == tenant, articles.c.slug == slug)
        return found[0] if found else None

    async def all(self, tenant: str) -> list[Article]:
        """All articles, by slug."""
        return await self._read(articles.c.tenant == tenant)

    async def of_topics(self, tenant: str, topics: Collection[str]) -> list[Article]:
        """The articles of these topics, by slug."""
        return await self._read(articles.c.tenant == tenant, articles.c.topic.in_(topics))

    async def count(self, tenant: str) -> int:
        """How many articles there are."""
        statement = select(func.count()).select_from(articles).where(articles.c.tenant == tenant)
        async with self._store.engine.connect() as connection:
            return int((await connection.execute(statement)).scalar_one())

    async def candidates(self, tenant: str, phrases: Iterable[str], limit: int) -> list[str]:
        """Topics of the articles that bm25 ranks first, best first; a topic counts `limit` once a language."""
        query = match_query(phrases)
        if not query:
            return []
        values = {"query": query, "tenant": tenant, "limit": limit}
        async with self._store.engine.connect() as connection:
            found = (await connection.execute(_CANDIDATES, values)).scalars()
            return list(dict.fromkeys(found))

    async def _read(self, *conditions: object) -> list[Article]:
        statement = select(*_SHOWN).where(*conditions).order_by(articles.c.slug)  # type: ignore[arg-type]
        async with self._store.engine.connect() as connection:
            return [Article(*row) for row in await connection.execute(statement)]


def _row(tenant: str, article: Article, found: SearchText) -> dict[str, object]:
    return {
        "tenant": tenant,
        **msgspec.structs.asdict(article),
        "title_terms": found.title,
        "asks_terms": found.asks,
        "body_terms": found.body,
        "updated_at": time.time_ns() // 1_000_000,
    }

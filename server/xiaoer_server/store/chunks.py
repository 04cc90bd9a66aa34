"""Articles cut into chunks, their full-text index on SQLite, and the one place that writes either.

The index is FTS5 over a copy of the text in which words stand between spaces as they are looked for
(`brain/indexed.py`). Triggers keep the index equal to the table in the same transaction, whoever writes.

Every edit counts the tenant's edition up in its own transaction. What other engines have for full text (MySQL's ngram
parser, PostgreSQL's tsvector) would stand in for the statements of `search.py` and for the triggers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
)

from .articles import Article, articles, row_of
from .engine import Store
from .schema import MYSQL, LongText, Slug, metadata
from .vectors import vectors

chunks = Table(
    "chunks",
    metadata,
    # FTS5 and the vectors know a chunk by this number. One that was deleted is never given again.
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    Column("tenant", Slug, ForeignKey("tenants.id"), nullable=False),
    Column("slug", String(128), nullable=False),
    Column("number", Integer, nullable=False),
    Column("topic", String(128), nullable=False),
    Column("parts", Integer, nullable=False),
    Column("text", LongText, nullable=False),
    Column("title_terms", LongText, nullable=False),
    Column("asks_terms", LongText, nullable=False),
    Column("body_terms", LongText, nullable=False),
    UniqueConstraint("tenant", "slug", "number"),
    Index(None, "tenant", "topic", "parts"),
    Index(None, "id", "tenant", "topic"),
    sqlite_autoincrement=True,
    **MYSQL,
)

editions = Table(
    "editions",
    metadata,
    Column("tenant", Slug, ForeignKey("tenants.id"), primary_key=True),
    Column("edition", BigInteger, nullable=False),
    **MYSQL,
)

_TENANT: BindParameter[str] = bindparam("of_tenant")
_SLUG: BindParameter[str] = bindparam("of_slug")
_OF_TENANT = select(chunks.c.id).where(chunks.c.tenant == _TENANT)
_INSERT_ARTICLE, _INSERT_CHUNK = insert(articles), insert(chunks)
_DELETE_VECTORS = delete(vectors).where(
    vectors.c.tenant == _TENANT, vectors.c.chunk.in_(_OF_TENANT.where(chunks.c.slug == _SLUG))
)
_DELETE_CHUNKS = delete(chunks).where(chunks.c.tenant == _TENANT, chunks.c.slug == _SLUG)
_DELETE_ARTICLE = delete(articles).where(articles.c.tenant == _TENANT, articles.c.slug == _SLUG)
_DELETE_ALL = tuple(delete(table).where(table.c.tenant == _TENANT) for table in (vectors, chunks, articles))
_COUNT_UP = text(
    "INSERT INTO editions (tenant, edition) VALUES (:of_tenant, 1)"
    " ON CONFLICT (tenant) DO UPDATE SET edition = edition + 1"
)


class Chunk(msgspec.Struct, frozen=True):
    """A piece of an article: its `number` from 0 of `parts`, its Markdown, and the words that the index holds of it."""

    number: int
    parts: int
    text: str
    title_terms: str
    asks_terms: str
    body_terms: str


class Found(msgspec.Struct, frozen=True):
    """A chunk as search reads it."""

    id: int
    slug: str
    topic: str
    number: int
    parts: int
    text: str


def match_query(phrases: Iterable[str]) -> str:
    """An FTS5 query that finds any of the phrases. Each is quoted, so none is syntax."""
    quoted = ('"' + phrase.replace('"', '""') + '"' for phrase in phrases if phrase)
    return " OR ".join(quoted)


class Chunks:
    """The repository. Every call names the tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def replace(self, tenant: str, rows: Sequence[tuple[Article, Sequence[Chunk]]]) -> None:
        """Make `rows` the tenant's articles, in one transaction.

        Raises:
            SQLAlchemyError: a slug stands twice, or the store cannot write; the old articles are still there.
        """
        gone: dict[str, object] = {"of_tenant": tenant}
        await self._write([(statement, gone) for statement in _DELETE_ALL], tenant, rows)

    async def put(self, tenant: str, rows: Sequence[tuple[Article, Sequence[Chunk]]]) -> None:
        """Add articles, or replace those of the same slugs, in one transaction."""
        steps: list[tuple[object, dict[str, object]]] = []
        for article, _ in rows:
            steps += _deletion(tenant, article.slug)
        await self._write(steps, tenant, rows)

    async def delete(self, tenant: str, slugs: Iterable[str]) -> None:
        """Remove articles with their chunks, vectors and places in the index, in one transaction."""
        await self._write([step for slug in slugs for step in _deletion(tenant, slug)], tenant, [])

    async def cut(self, tenant: str, rows: Sequence[tuple[Article, Sequence[Chunk]]]) -> None:
        """Add the chunks of articles that are there already."""
        steps = [(_INSERT_CHUNK, row) for article, pieces in rows for row in _rows(tenant, article, pieces)]
        await self._store.writer.together(steps)

    async def uncut(self, tenant: str, limit: int) -> list[str]:
        """Slugs of articles that have no chunks: those that an earlier version of the program stored."""
        having = exists().where(chunks.c.tenant == articles.c.tenant, chunks.c.slug == articles.c.slug)
        statement = select(articles.c.slug).where(articles.c.tenant == tenant, ~having).limit(limit)
        async with self._store.engine.connect() as connection:
            return list((await connection.execute(statement)).scalars())

    async def of_topics(self, tenant: str, topics: Collection[str], ids: Collection[int], whole: int) -> list[Found]:
        """The chunks of these topics, in order: of articles with more than `whole` parts only those of `ids`."""
        row = chunks.c
        statement = (
            select(row.id, row.slug, row.topic, row.number, row.parts, row.text)
            .where(row.tenant == tenant, row.topic.in_(topics), or_(row.parts <= whole, row.id.in_(ids)))
            .order_by(row.slug, row.number)
        )
        async with self._store.engine.connect() as connection:
            return [Found(*found) for found in await connection.execute(statement)]

    async def ids(self, tenant: str, slugs: Collection[str] | None = None) -> list[int]:
        """The chunks of these articles, or all."""
        statement = select(chunks.c.id).where(chunks.c.tenant == tenant)
        if slugs is not None:
            statement = statement.where(chunks.c.slug.in_(slugs))
        async with self._store.engine.connect() as connection:
            return list((await connection.execute(statement)).scalars())

    async def count(self, tenant: str) -> int:
        """How many chunks there are."""
        statement = select(func.count()).select_from(chunks).where(chunks.c.tenant == tenant)
        async with self._store.engine.connect() as connection:
            return int((await connection.execute(statement)).scalar_one())

    async def edition(self, tenant: str) -> int:
        """How often the tenant's articles were changed."""
        statement = select(editions.c.edition).where(editions.c.tenant == tenant)
        async with self._store.engine.connect() as connection:
            return int((await connection.execute(statement)).scalar() or 0)

    async def count_up(self, tenant: str) -> None:
        """Count an edit that changes no article, as of a fixed answer."""
        await self._store.writer.run(_COUNT_UP, {"of_tenant": tenant})

    async def _write(
        self,
        steps: list[tuple[object, dict[str, object]]],
        tenant: str,
        rows: Sequence[tuple[Article, Sequence[Chunk]]],
    ) -> None:
        steps += [(_INSERT_ARTICLE, row_of(tenant, article)) for article, _ in rows]
        steps += [(_INSERT_CHUNK, row) for article, pieces in rows for row in _rows(tenant, article, pieces)]
        if steps or rows:
            steps.append((_COUNT_UP, {"of_tenant": tenant}))
            await self._store.writer.together(steps)  # type: ignore[arg-type]


def _deletion(tenant: str, slug: str) -> list[tuple[object, dict[str, object]]]:
    values: dict[str, object] = {"of_tenant": tenant, "of_slug": slug}
    return [(statement, values) for statement in (_DELETE_VECTORS, _DELETE_CHUNKS, _DELETE_ARTICLE)]


def _rows(tenant: str, article: Article, pieces: Sequence[Chunk]) -> list[dict[str, object]]:
    head = {"tenant": tenant, "slug": article.slug, "topic": article.topic}
    return [head | msgspec.structs.asdict(piece) for piece in pieces]

"""Vectors of chunks and of the questions that articles name, as rows: eight bits a component, of one encoder each.

Part 0 is a chunk's own text; the others, from 1, are the title and asks of its article, and belong to its first chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
)

from .engine import Store
from .schema import MYSQL, Slug, metadata

vectors = Table(
    "vectors",
    metadata,
    Column("chunk", BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True),
    Column("tenant", Slug, nullable=False),
    Column("encoder", String(128), nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Index(None, "tenant", "encoder"),
    **MYSQL,
)

_FORGET = delete(vectors).where(
    vectors.c.chunk == bindparam("of_chunk"), vectors.c.part == bindparam("of_part"), vectors.c.tenant == bindparam("t")
)
_INSERT = insert(vectors).from_select(
    ["chunk", "part", "tenant", "encoder", "vector"],
    # An article that was deleted while its text was with the encoder gets no vector.
    text("SELECT id, :part, tenant, :encoder, :vector FROM chunks WHERE id = :chunk AND tenant = :tenant").columns(
        vectors.c.chunk, vectors.c.part, vectors.c.tenant, vectors.c.encoder, vectors.c.vector
    ),
)
_MISSING = text(
    "SELECT c.id, c.slug, c.number, c.text FROM chunks AS c WHERE c.tenant = :tenant AND c.id > :after"
    " AND NOT EXISTS (SELECT 1 FROM vectors AS v WHERE v.chunk = c.id AND v.part = 0 AND v.encoder = :encoder)"
    " ORDER BY c.id LIMIT :limit"
)
_COUNT_MISSING = text(
    "SELECT count(*) FROM chunks AS c WHERE c.tenant = :tenant"
    " AND NOT EXISTS (SELECT 1 FROM vectors AS v WHERE v.chunk = c.id AND v.part = 0 AND v.encoder = :encoder)"
)

Row = tuple[int, int, bytes]


class Vectors:
    """The repository. Every call names the tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, tenant: str, encoder: str, rows: Iterable[Row]) -> None:
        """Store vectors as (chunk, part, components), over those of another encoder. Chunks that are gone are not
        brought back."""
        steps: list[tuple[object, dict[str, object]]] = []
        for chunk, part, vector in rows:
            steps.append((_FORGET, {"of_chunk": chunk, "of_part": part, "t": tenant}))
            steps.append(
                (_INSERT, {"chunk": chunk, "part": part, "tenant": tenant, "encoder": encoder, "vector": vector})
            )
        await self._store.writer.together(steps)  # type: ignore[arg-type]

    async def keys(self, tenant: str, encoder: str) -> list[tuple[int, int]]:
        """(chunk, part) of all vectors of this encoder."""
        statement = select(vectors.c.chunk, vectors.c.part).where(
            vectors.c.tenant == tenant, vectors.c.encoder == encoder
        )
        async with self._store.engine.connect() as connection:
            return [(row[0], row[1]) for row in await connection.execute(statement)]

    async def read(self, tenant: str, encoder: str, after: tuple[int, int], limit: int) -> list[Row]:
        """The next vectors in the order of their keys; (0, -1) is before all."""
        row = vectors.c
        statement = (
            select(row.chunk, row.part, row.vector)
            .where(row.tenant == tenant, row.encoder == encoder)
            .where((row.chunk > after[0]) | ((row.chunk == after[0]) & (row.part > after[1])))
            .order_by(row.chunk, row.part)
            .limit(limit)
        )
        async with self._store.engine.connect() as connection:
            return [(found[0], found[1], found[2]) for found in await connection.execute(statement)]

    async def of_chunks(self, tenant: str, encoder: str, chunks: Sequence[int]) -> list[Row]:
        """The vectors of these chunks."""
        row = vectors.c
        statement = select(row.chunk, row.part, row.vector).where(
            row.tenant == tenant, row.encoder == encoder, row.chunk.in_(chunks)
        )
        async with self._store.engine.connect() as connection:
            return [(found[0], found[1], found[2]) for found in await connection.execute(statement)]

    async def missing(self, tenant: str, encoder: str, after: int, limit: int) -> list[tuple[int, str, int, str]]:
        """(id, slug, number, text) of the next chunks that this encoder has not seen."""
        values = {"tenant": tenant, "encoder": encoder, "after": after, "limit": limit}
        async with self._store.engine.connect() as connection:
            return [(row[0], row[1], row[2], row[3]) for row in await connection.execute(_MISSING, values)]

    async def count_missing(self, tenant: str, encoder: str) -> int:
        """How many chunks this encoder has not seen."""
        async with self._store.engine.connect() as connection:
            found = await connection.execute(_COUNT_MISSING, {"tenant": tenant, "encoder": encoder})
            return int(found.scalar_one())

    async def count(self, tenant: str, encoder: str) -> int:
        """How many chunks this encoder has seen."""
        statement = (
            select(func.count())
            .select_from(vectors)
            .where(vectors.c.tenant == tenant, vectors.c.encoder == encoder, vectors.c.part == 0)
        )
        async with self._store.engine.connect() as connection:
            return int((await connection.execute(statement)).scalar_one())

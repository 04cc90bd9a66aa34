"""Fixed answers: what is said word for word when one of their questions is asked."""

from __future__ import annotations

import time
from typing import Literal

import msgspec
from sqlalchemy import BigInteger, Column, ForeignKey, String, Table, bindparam, delete, insert, select

from .engine import Store
from .schema import MYSQL, Id, Json, LongText, Slug, metadata

curated = Table(
    "curated",
    metadata,
    Column("tenant", Slug, ForeignKey("tenants.id"), primary_key=True),
    Column("id", Id, primary_key=True),
    Column("lang", String(2), nullable=False),
    Column("questions", Json, nullable=False),
    Column("answer", LongText, nullable=False),
    Column("slug", String(128), nullable=True),
    Column("updated_at", BigInteger, nullable=False),
    **MYSQL,
)

_INSERT = insert(curated)
_DELETE = delete(curated).where(curated.c.tenant == bindparam("of_tenant"), curated.c.id == bindparam("of_id"))


class FixedAnswer(msgspec.Struct, frozen=True):
    """An answer and the questions that get it.

    Args:
        questions: At least one; the first one names it.
        answer: Markdown.
        slug: The article that is named as its source; None: there is none.
    """

    id: str
    lang: Literal["zh", "en"]
    questions: list[str]
    answer: str
    slug: str | None = None


class CuratedAnswers:
    """The repository. Every call names the tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, tenant: str, fixed: FixedAnswer) -> None:
        """Add one, or replace the one of the same id."""
        row = {"tenant": tenant, **msgspec.structs.asdict(fixed), "updated_at": time.time_ns() // 1_000_000}
        await self._store.writer.together(
            [(_DELETE, {"of_tenant": tenant, "of_id": fixed.id}), (_INSERT, row)],
        )

    async def delete(self, tenant: str, fixed: str) -> None:
        """Remove one; nothing happens if there is none of this id."""
        await self._store.writer.run(_DELETE, {"of_tenant": tenant, "of_id": fixed})

    async def all(self, tenant: str) -> list[FixedAnswer]:
        """All, oldest first."""
        row = curated.c
        statement = (
            select(row.id, row.lang, row.questions, row.answer, row.slug).where(row.tenant == tenant).order_by(row.id)
        )
        async with self._store.engine.connect() as connection:
            return [FixedAnswer(*found) for found in await connection.execute(statement)]

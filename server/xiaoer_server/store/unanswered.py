"""Questions that nobody could answer, in groups. Nothing in them is anybody's own: they are masked before."""

from __future__ import annotations

from typing import Literal

import msgspec
from sqlalchemy import BigInteger, Column, ForeignKey, Integer, String, Table, bindparam, delete, insert, select, update

from .engine import Store
from .schema import MYSQL, Id, Slug, metadata

unanswered = Table(
    "unanswered",
    metadata,
    Column("tenant", Slug, ForeignKey("tenants.id"), primary_key=True),
    Column("id", Id, primary_key=True),
    Column("lang", String(2), nullable=False),
    Column("question", String(255), nullable=False),
    Column("count", Integer, nullable=False),
    Column("first_at", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    **MYSQL,
)

_OF = (unanswered.c.tenant == bindparam("of_tenant"), unanswered.c.id == bindparam("of_id"))
_INSERT = insert(unanswered)
_DELETE = delete(unanswered).where(*_OF)
_COUNT = update(unanswered).where(*_OF).values(count=unanswered.c.count + 1, last_at=bindparam("now", type_=BigInteger))


class Group(msgspec.Struct):
    """Questions that ask for the same. Times are in milliseconds since the epoch."""

    id: str
    lang: Literal["zh", "en"]
    question: str
    count: int
    first_at: int
    last_at: int


class UnansweredQuestions:
    """The repository. Every call names the tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, tenant: str, group: Group) -> None:
        """Begin a group."""
        await self._store.writer.run(_INSERT, {"tenant": tenant, **msgspec.structs.asdict(group)})

    async def count(self, tenant: str, group: str, now: int) -> None:
        """One more of this group."""
        await self._store.writer.run(_COUNT, {"of_tenant": tenant, "of_id": group, "now": now})

    async def delete(self, tenant: str, group: str) -> None:
        """Forget a group; nothing happens if there is none of this id."""
        await self._store.writer.run(_DELETE, {"of_tenant": tenant, "of_id": group})

    async def all(self, tenant: str) -> list[Group]:
        """All groups, the most asked first."""
        row = unanswered.c
        statement = (
            select(row.id, row.lang, row.question, row.count, row.first_at, row.last_at)
            .where(row.tenant == tenant)
            .order_by(row.count.desc(), row.last_at.desc(), row.id)
        )
        async with self._store.engine.connect() as connection:
            return [Group(*found) for found in await connection.execute(statement)]

"""Pairs of question and cached answer that a visitor disliked. No text is stored: a question is known by its digest."""

from __future__ import annotations

import time

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, bindparam, delete, insert, select

from .engine import Store
from .schema import MYSQL, Slug, metadata

disliked = Table(
    "disliked",
    metadata,
    Column("tenant", Slug, ForeignKey("tenants.id"), primary_key=True),
    Column("asked", String(24), primary_key=True),
    Column("answered", String(24), primary_key=True),
    # The knowledge's, where the answer was given to these very words; -1: for good.
    Column("version", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index(None, "tenant", "at"),
    **MYSQL,
)

#: Pairs of a tenant that are loaded, the newest ones; whoever dislikes everything has no more memory than this.
MOST = 20_000

_INSERT = insert(disliked)
_DELETE = delete(disliked).where(
    disliked.c.tenant == bindparam("of_tenant"),
    disliked.c.asked == bindparam("of_asked"),
    disliked.c.answered == bindparam("of_answered"),
)
_NEWEST = (
    select(disliked.c.tenant, disliked.c.asked, disliked.c.answered, disliked.c.version)
    .where(disliked.c.tenant == bindparam("of_tenant"))
    .order_by(disliked.c.at.desc())
    .limit(MOST)
)


class Disliked:
    """The repository. Every call names the tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, tenant: str, asked: str, answered: str, version: int) -> None:
        """Store a pair, or the newer version of one.

        Raises:
            SQLAlchemyError: the store cannot write.
        """
        pair = {"asked": asked, "answered": answered}
        row = {"tenant": tenant, **pair, "version": version, "at": time.time_ns() // 1_000_000}
        old = {"of_tenant": tenant, **{f"of_{name}": value for name, value in pair.items()}}
        await self._store.writer.together([(_DELETE, old), (_INSERT, row)])

    async def of(self, tenant: str) -> list[tuple[str, str, str, int]]:
        """The tenant's newest pairs: tenant, asked, answered, version."""
        async with self._store.engine.connect() as connection:
            found = (await connection.execute(_NEWEST, {"of_tenant": tenant})).all()
        return [(row.tenant, row.asked, row.answered, row.version) for row in found]

"""The sensitive words of a tenant, with what is done about each."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import bindparam, delete, insert, select

from . import schema
from .engine import Store

_columns = schema.words.c
_DELETE = delete(schema.words).where(_columns.tenant == bindparam("tenant"))
_INSERT = insert(schema.words)
_SELECT = (
    select(_columns.text, _columns.level, _columns.action, _columns.tags)
    .where(_columns.tenant == bindparam("tenant"))
    .order_by(_columns.text)
)


class WordRow(msgspec.Struct):
    """A word as it is stored; its fields mean what those of `xiaoer.Word` mean."""

    text: str
    level: int = 1
    action: str = "mask"
    tags: list[str] = msgspec.field(default_factory=list)


class Words:
    """The word lists in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def replace(self, tenant: str, words: Iterable[WordRow]) -> None:
        """Put these words in the place of all that the tenant has, in one transaction.

        Raises:
            IntegrityError: a word is there twice, or there is no such tenant; nothing has changed.
        """
        rows = [{"tenant": tenant} | msgspec.structs.asdict(word) for word in words]
        await self._store.writer.together([(_DELETE, {"tenant": tenant}), *((_INSERT, row) for row in rows)])

    async def all(self, tenant: str) -> list[WordRow]:
        """The tenant's words, by text."""
        async with self._store.engine.connect() as connection:
            return [WordRow(*row) for row in await connection.execute(_SELECT, {"tenant": tenant})]

"""Dialogue flows as they were imported, every version that a conversation may still run on."""

from __future__ import annotations

import time

import msgspec
from sqlalchemy import Column, ForeignKey, String, Table, and_, bindparam, delete, insert, select, update

from . import schema
from .engine import Store

#: A version that was replaced is kept as long; no dialogue waits longer for its visitor (`flow_model.LONGEST_TIMEOUT`).
KEPT_DAYS = 30

flows = Table(
    "flows",
    schema.metadata,
    Column("tenant", schema.Slug, ForeignKey("tenants.id"), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("version", String(16), primary_key=True),
    Column("source", schema.LongText, nullable=False),
    Column("imported_at", schema.Millis, nullable=False),
    Column("retired_at", schema.Millis),
    **schema.MYSQL,
)

_column = flows.c
_of_name = and_(_column.tenant == bindparam("of_tenant"), _column.name == bindparam("of_name"))
_INSERT = insert(flows)
_RETIRE = update(flows).where(_of_name, _column.retired_at.is_(None)).values(retired_at=bindparam("now"))
_DROP_SAME = delete(flows).where(_of_name, _column.version == bindparam("of_version"))
_PRUNE = delete(flows).where(_column.tenant == bindparam("of_tenant"), _column.retired_at < bindparam("before"))
_SELECT = select(flows).where(_column.tenant == bindparam("tenant")).order_by(_column.name, _column.imported_at)


class FlowRow(msgspec.Struct, frozen=True):
    """One version of a flow. Times are UTC in milliseconds; `retired_at` is None for the one new dialogues begin on."""

    tenant: str
    name: str
    version: str
    source: str
    imported_at: int
    retired_at: int | None = None


class FlowRows:
    """The flows in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, tenant: str, name: str, version: str, source: str) -> None:
        """Make this the version that new dialogues begin on; the one before it stays for those that run.

        Raises:
            IntegrityError: there is no such tenant; nothing has changed.
        """
        now = int(time.time() * 1000)
        of = {"of_tenant": tenant, "of_name": name}
        row = FlowRow(tenant, name, version, source, now)
        await self._store.writer.together(
            [
                (_PRUNE, {"of_tenant": tenant, "before": now - KEPT_DAYS * 86_400_000}),
                (_RETIRE, of | {"now": now}),
                (_DROP_SAME, of | {"of_version": version}),
                (_INSERT, msgspec.structs.asdict(row)),
            ]
        )

    async def retire(self, tenant: str, name: str) -> None:
        """Begin no new dialogue on this flow. Does nothing if there is none."""
        await self._store.writer.run(_RETIRE, {"of_tenant": tenant, "of_name": name, "now": int(time.time() * 1000)})

    async def all(self, tenant: str) -> list[FlowRow]:
        """The tenant's versions, by name, oldest first."""
        async with self._store.engine.connect() as connection:
            return [FlowRow(*row) for row in await connection.execute(_SELECT, {"tenant": tenant})]

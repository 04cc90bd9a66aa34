"""Tenants: the shops that one installation serves."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import bindparam, insert, select, update

from . import schema
from .engine import Store

_columns = schema.tenants.c
_SELECT = select(_columns.id, _columns.name, _columns.allowed_sites, _columns.settings).order_by(_columns.id)
_SELECT_ONE = _SELECT.where(_columns.id == bindparam("tenant"))
_INSERT = insert(schema.tenants)
_UPDATE = (
    update(schema.tenants)
    .where(_columns.id == bindparam("tenant"))
    .values(
        name=bindparam("new_name"),
        allowed_sites=bindparam("new_sites", type_=schema.Json),
        settings=bindparam("new_settings", type_=schema.Json),
    )
)


class Tenant(msgspec.Struct):
    """A shop. `id` is its slug; `allowed_sites` are the origins that its widget may be embedded on."""

    id: str
    name: str
    allowed_sites: list[str]
    settings: dict[str, Any]


class Tenants:
    """The tenants in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ensure(
        self,
        tenant: str,
        *,
        name: str,
        allowed_sites: Iterable[str] = (),
        settings: dict[str, Any] | None = None,
    ) -> Tenant:
        """Make a tenant, or bring the one that is there to these values; `settings` None keeps its settings."""
        found = await self.get(tenant)
        wanted = Tenant(tenant, name, list(allowed_sites), settings or {})
        if found is None:
            row = msgspec.structs.asdict(wanted)
            await self._store.writer.run(_INSERT, row | {"created_at": int(time.time() * 1000)})
            return wanted
        if settings is None:
            wanted.settings = found.settings
        if wanted != found:
            await self._store.writer.run(
                _UPDATE,
                {
                    "tenant": tenant,
                    "new_name": wanted.name,
                    "new_sites": wanted.allowed_sites,
                    "new_settings": wanted.settings,
                },
            )
        return wanted

    async def get(self, tenant: str) -> Tenant | None:
        """The tenant, or None if there is none of this slug."""
        async with self._store.engine.connect() as connection:
            row = (await connection.execute(_SELECT_ONE, {"tenant": tenant})).one_or_none()
        return None if row is None else Tenant(*row)

    async def all(self) -> list[Tenant]:
        """All tenants, by slug."""
        async with self._store.engine.connect() as connection:
            return [Tenant(*row) for row in await connection.execute(_SELECT)]

"""Keys of the gateway: who may call /v1, and how much of it.

A key is 256 random bits, shown once to who makes it. The store has its SHA-256: nothing is to be gained from salting
or stretching the hash of something that cannot be guessed, and the server looks keys up by it.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import Any

import msgspec
import uuid_utils
from sqlalchemy import bindparam, insert, select, update

from ..errors import BadRequest, NotFound
from . import schema
from .engine import Store

PREFIX = "xk-"

#: The store counts money in billionths.
BILLION = 1_000_000_000

_columns = schema.api_keys.c
_SHOWN = (
    _columns.id,
    _columns.tenant,
    _columns.name,
    _columns.hint,
    _columns.models,
    _columns.requests_per_minute,
    _columns.tokens_per_minute,
    _columns.streams,
    _columns.budget,
    _columns.created_at,
    _columns.expires_at,
    _columns.revoked_at,
    _columns.used_at,
    _columns.admin,
)
_SELECT = select(*_SHOWN).order_by(_columns.tenant, _columns.created_at, _columns.id)
_HASHES = select(_columns.hash, *_SHOWN)
_TENANT_OF = select(_columns.tenant).where(_columns.id == bindparam("of_id"), _columns.revoked_at.is_(None))
_INSERT = insert(schema.api_keys)
_REVOKE = (
    update(schema.api_keys)
    .where(_columns.tenant == bindparam("of_tenant"), _columns.id == bindparam("of_id"), _columns.revoked_at.is_(None))
    .values(revoked_at=bindparam("at"))
)
_TENANT = select(schema.tenants.c.id).where(schema.tenants.c.id == bindparam("tenant"))


class ApiKey(msgspec.Struct, frozen=True):
    """A key, without its secret.

    Args:
        hint: How the secret begins, to tell keys apart.
        models: Names that may be asked for; none means all.
        requests_per_minute: 0 is no limit, as in the three that follow.
        streams: Streamed answers at a time.
        budget: Money a calendar month (UTC), in the currency of the prices.
        created_at: Milliseconds since the epoch, as the other times.
        used_at: The day of its last use, its first millisecond.
        admin: Whether it opens the administration of its tenant, under /api/admin.
    """

    id: str
    tenant: str
    name: str
    hint: str
    models: list[str] = []
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    streams: int = 0
    budget: float = 0.0
    created_at: int = 0
    expires_at: int | None = None
    revoked_at: int | None = None
    used_at: int | None = None
    admin: bool = False


def hash_of(secret: bytes) -> bytes:
    """What is stored of a secret: its SHA-256, 32 bytes."""
    return hashlib.sha256(secret).digest()


class Keys:
    """The keys in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(
        self,
        tenant: str,
        name: str,
        *,
        models: list[str] | None = None,
        requests_per_minute: int = 0,
        tokens_per_minute: int = 0,
        streams: int = 0,
        budget: float = 0.0,
        expires_at: int | None = None,
        admin: bool = False,
    ) -> tuple[str, ApiKey]:
        """Make a key; returns its secret, which cannot be had again, and the key.

        Raises:
            NotFound: there is no such tenant.
            BadRequest: the name is empty, longer than 255 characters or not printable, or a limit is out of range.
            SQLAlchemyError: the store cannot write.
        """
        _check_name("name", name)
        for model in models or []:
            _check_name("model", model)
        for what, limit in (("requests_per_minute", requests_per_minute), ("tokens_per_minute", tokens_per_minute),
                            ("streams", streams), ("budget", budget)):  # fmt: skip
            if not 0 <= limit <= BILLION:
                raise BadRequest(f"{what}: {limit} is not allowed; allowed: from 0 (no limit) to {BILLION}")
        async with self._store.engine.connect() as connection:
            if await connection.scalar(_TENANT, {"tenant": tenant}) is None:
                raise NotFound(f"there is no tenant '{tenant}'", code="unknown_tenant")
        secret = PREFIX + secrets.token_urlsafe(32)
        key = ApiKey(
            id=str(uuid_utils.uuid7()),
            tenant=tenant,
            name=name,
            hint=secret[: len(PREFIX) + 4] + "…",
            models=list(models or []),
            requests_per_minute=requests_per_minute,
            tokens_per_minute=tokens_per_minute,
            streams=streams,
            budget=budget,
            created_at=time.time_ns() // 1_000_000,
            expires_at=expires_at,
            admin=admin,
        )
        row: dict[str, Any] = msgspec.structs.asdict(key)
        row |= {"hash": hash_of(secret.encode()).hex(), "budget": round(budget * BILLION)}
        await self._store.writer.run(_INSERT, row)
        return secret, key

    async def revoke(self, key: str) -> bool:
        """Make the key of this id invalid for good; False if there is none, or it was already.

        Raises:
            SQLAlchemyError: the store cannot write; the key is still valid.
        """
        async with self._store.engine.connect() as connection:
            tenant = await connection.scalar(_TENANT_OF, {"of_id": key})
        if tenant is None:
            return False
        await self._store.writer.run(_REVOKE, {"of_tenant": tenant, "of_id": key, "at": time.time_ns() // 1_000_000})
        return True

    async def all(self, tenant: str | None = None) -> list[ApiKey]:
        """All keys, or a tenant's, oldest first; the revoked ones too."""
        statement = _SELECT if tenant is None else _SELECT.where(_columns.tenant == tenant)
        async with self._store.engine.connect() as connection:
            return [_key(row) for row in await connection.execute(statement)]

    async def hashes(self) -> list[tuple[bytes, ApiKey]]:
        """Every key with the SHA-256 of its secret."""
        async with self._store.engine.connect() as connection:
            return [(bytes.fromhex(row[0]), _key(row[1:])) for row in await connection.execute(_HASHES)]


def _key(row: Any) -> ApiKey:
    key = ApiKey(*row)
    return msgspec.structs.replace(key, budget=key.budget / BILLION) if key.budget else key


def _check_name(what: str, name: str) -> None:
    if not (1 <= len(name) <= 255 and name.isprintable() and name.strip()):
        raise BadRequest(f"{what}: {name!r} is not allowed; allowed: 1 to 255 printable characters")

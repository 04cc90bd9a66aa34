"""Intents of a tenant: the examples that people wrote, and the heads that were trained from them.

A version is a whole head: bytes that `infer/head.py` reads. Which version is in use is one row a tenant, so a swap is
one transaction, and going back to an older version is the same.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.mysql import LONGBLOB

from .engine import Store
from .schema import MYSQL, Json, LongText, Millis, Slug, metadata

#: Texts of an intent, in their order.
intent_examples = Table(
    "intent_examples",
    metadata,
    Column("tenant", Slug, ForeignKey("tenants.id"), primary_key=True),
    Column("intent", String(64), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("text", LongText, nullable=False),
    **MYSQL,
)

intent_versions = Table(
    "intent_versions",
    metadata,
    Column("tenant", Slug, ForeignKey("tenants.id"), primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("encoder", String(128), nullable=False),
    Column("examples", Integer, nullable=False),
    Column("intents", Integer, nullable=False),
    Column("report", Json, nullable=False),
    Column("head", LargeBinary().with_variant(LONGBLOB(), "mysql", "mariadb"), nullable=False),
    Column("created_at", Millis, nullable=False),
    **MYSQL,
)

#: The version in use; a tenant without a row has none.
intents_in_use = Table(
    "intents_in_use",
    metadata,
    Column("tenant", Slug, primary_key=True),
    Column("version", BigInteger, nullable=False),
    ForeignKeyConstraint(["tenant", "version"], ["intent_versions.tenant", "intent_versions.version"]),
    **MYSQL,
)

_example, _version, _used = intent_examples.c, intent_versions.c, intents_in_use.c
_EXAMPLES = (
    select(_example.intent, _example.text)
    .where(_example.tenant == bindparam("of_tenant"))
    .order_by(_example.intent, _example.number)
)
_ADD_EXAMPLE = insert(intent_examples)
_DROP_EXAMPLES = delete(intent_examples).where(_example.tenant == bindparam("of_tenant"))
_DROP_INTENT = _DROP_EXAMPLES.where(_example.intent == bindparam("of_intent"))
_ADD_VERSION = insert(intent_versions)
_DROP_VERSION = delete(intent_versions).where(
    _version.tenant == bindparam("of_tenant"), _version.version == bindparam("of_version")
)
_ADD_USED = insert(intents_in_use)
_DROP_USED = delete(intents_in_use).where(_used.tenant == bindparam("of_tenant"))
_NEWEST = select(func.max(_version.version)).where(_version.tenant == bindparam("of_tenant"))
_IN_USE = select(_used.version).where(_used.tenant == bindparam("of_tenant"))
_SHOWN = (
    _version.version,
    _version.encoder,
    _version.examples,
    _version.intents,
    _version.report,
    _version.created_at,
)
_VERSIONS = select(*_SHOWN).where(_version.tenant == bindparam("of_tenant")).order_by(_version.version)
_HEAD = select(_version.head).where(
    _version.tenant == bindparam("of_tenant"), _version.version == bindparam("of_version")
)


class Version(msgspec.Struct, frozen=True):
    """A trained head, without its bytes.

    Args:
        encoder: The version of the encoder that it belongs to.
        examples: Texts that it was trained on.
        intents: How many intents it tells apart.
        report: What was measured while it was trained.
        created_at: Milliseconds since the epoch.
        in_use: Whether it is the tenant's version now.
    """

    version: int
    encoder: str
    examples: int
    intents: int
    report: dict[str, Any]
    created_at: int
    in_use: bool = False


class IntentStore:
    """Examples and versions in the store. Every call is about one tenant."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def examples(self, tenant: str) -> dict[str, list[str]]:
        """The tenant's examples by intent, both in their order."""
        found: dict[str, list[str]] = {}
        async with self._store.engine.connect() as connection:
            for intent, text in await connection.execute(_EXAMPLES, {"of_tenant": tenant}):
                found.setdefault(intent, []).append(text)
        return found

    async def put(self, tenant: str, examples: Mapping[str, Sequence[str]], *, only: bool = False) -> None:
        """Put examples in the place of those that these intents have; an intent without any is gone.

        Args:
            only: Also remove all other intents, in the same transaction.

        Raises:
            IntegrityError: there is no such tenant; nothing has changed.
        """
        steps: list[tuple[Any, dict[str, object]]] = []
        if only:
            steps.append((_DROP_EXAMPLES, {"of_tenant": tenant}))
        else:
            steps.extend((_DROP_INTENT, {"of_tenant": tenant, "of_intent": intent}) for intent in examples)
        for intent, texts in examples.items():
            rows = ({"tenant": tenant, "intent": intent, "number": at, "text": text} for at, text in enumerate(texts))
            steps.extend((_ADD_EXAMPLE, row) for row in rows)
        if steps:
            await self._store.writer.together(steps)

    async def versions(self, tenant: str) -> list[Version]:
        """The tenant's versions, oldest first."""
        async with self._store.engine.connect() as connection:
            used = await connection.scalar(_IN_USE, {"of_tenant": tenant})
            rows = list(await connection.execute(_VERSIONS, {"of_tenant": tenant}))
        return [Version(*row, in_use=row[0] == used) for row in rows]

    async def add(
        self, tenant: str, head: bytes, *, encoder: str, examples: int, intents: int, report: dict[str, Any], keep: int
    ) -> int:
        """Store a head as the tenant's next version and put it into use; returns its number.

        In the same transaction the oldest versions are dropped of which there are more than `keep`.

        Raises:
            IntegrityError: there is no such tenant, or another process added this version at the same time.
        """
        known = [version.version for version in await self.versions(tenant)]
        async with self._store.engine.connect() as connection:
            number = (await connection.scalar(_NEWEST, {"of_tenant": tenant}) or 0) + 1
        row = {
            "tenant": tenant,
            "version": number,
            "encoder": encoder,
            "examples": examples,
            "intents": intents,
            "report": report,
            "head": head,
            "created_at": time.time_ns() // 1_000_000,
        }
        old = known[: max(0, len(known) + 1 - max(1, keep))]
        await self._store.writer.together(
            [
                (_ADD_VERSION, row),
                (_DROP_USED, {"of_tenant": tenant}),
                (_ADD_USED, {"tenant": tenant, "version": number}),
                *((_DROP_VERSION, {"of_tenant": tenant, "of_version": version}) for version in old),
            ]
        )
        return number

    async def use(self, tenant: str, version: int) -> bool:
        """Put a version into use; False if the tenant has none of this number."""
        if all(known.version != version for known in await self.versions(tenant)):
            return False
        await self._store.writer.together(
            [(_DROP_USED, {"of_tenant": tenant}), (_ADD_USED, {"tenant": tenant, "version": version})]
        )
        return True

    async def in_use(self, tenant: str) -> tuple[int, bytes] | None:
        """The number and the head of the version in use; None if there is none."""
        async with self._store.engine.connect() as connection:
            version = await connection.scalar(_IN_USE, {"of_tenant": tenant})
            if version is None:
                return None
            head = await connection.scalar(_HEAD, {"of_tenant": tenant, "of_version": version})
        return None if head is None else (version, head)

    async def head(self, tenant: str, version: int) -> bytes | None:
        """The head of one of the tenant's versions; None if it has no such version."""
        async with self._store.engine.connect() as connection:
            found: bytes | None = await connection.scalar(_HEAD, {"of_tenant": tenant, "of_version": version})
        return found

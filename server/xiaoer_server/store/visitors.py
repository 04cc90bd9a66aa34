"""Visitors, and the conversation that each is given."""

from __future__ import annotations

import time
from typing import Any

import uuid_utils
from sqlalchemy import bindparam, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from ..errors import NotFound, Unavailable
from . import schema
from .engine import Store

_INSERT_VISITOR = insert(schema.visitors)
_INSERT_CONVERSATION = insert(schema.conversations)
_columns = schema.conversations.c
_NEWEST = (
    select(_columns.id)
    .where(_columns.tenant == bindparam("tenant"), _columns.visitor == bindparam("visitor"))
    .order_by(_columns.created_at.desc(), _columns.id.desc())
    .limit(1)
)


class Visitors:
    """The visitors in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(
        self, tenant: str, *, external_id: str | None = None, profile: dict[str, Any] | None = None
    ) -> tuple[str, str]:
        """Make a visitor and the first conversation; returns both ids once they are durable.

        Args:
            external_id: How the shop itself calls this person. Not unique: it is not proof of who asks.

        Raises:
            NotFound: `unknown_tenant`.
            Unavailable: `store_unavailable`.
        """
        visitor, conversation = str(uuid_utils.uuid7()), str(uuid_utils.uuid7())
        now = int(time.time() * 1000)
        try:
            await self._store.writer.together(
                [
                    (
                        _INSERT_VISITOR,
                        {
                            "tenant": tenant,
                            "id": visitor,
                            "external_id": external_id,
                            "profile": profile,
                            "created_at": now,
                        },
                    ),
                    (
                        _INSERT_CONVERSATION,
                        {
                            "tenant": tenant,
                            "id": conversation,
                            "visitor": visitor,
                            "created_at": now,
                            "read_seq": 0,
                        },
                    ),
                ]
            )
        except IntegrityError as error:
            raise NotFound(f"There is no tenant {tenant!r}.", code="unknown_tenant") from error
        except SQLAlchemyError as error:
            raise Unavailable(
                "The session could not be stored; try again.", code="store_unavailable", retry_after=1
            ) from error
        return visitor, conversation

    async def conversation_of(self, tenant: str, visitor: str) -> str | None:
        """The visitor's newest conversation, or None if this tenant does not know the visitor."""
        async with self._store.engine.connect() as connection:
            found: str | None = await connection.scalar(_NEWEST, {"tenant": tenant, "visitor": visitor})
        return found

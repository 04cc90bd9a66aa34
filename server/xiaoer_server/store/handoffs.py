"""The SQL of hand-offs. Which may be open, and who is told, is `chat/handoff.py`'s affair."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from sqlalchemy import and_, bindparam, exists, func, insert, literal, select, update

from . import schema
from .engine import Store

State = Literal["waiting", "taken", "done"]

#: `entries.answered_by` of the notice that tells a visitor of a hand-off: this and the hand-off's id.
NOTICE = "handoff:"

_columns = schema.handoffs.c
_entry = schema.entries.c
_COLUMNS = ("tenant", "id", "conversation", "number", "reason", "language", "state", "at")

_INSERT = insert(schema.handoffs)
_LAST_NUMBER = select(func.max(_columns.number)).where(
    _columns.tenant == bindparam("tenant"), _columns.conversation == bindparam("conversation")
)
_SET_STATE = (
    update(schema.handoffs)
    .where(_columns.tenant == bindparam("of_tenant"), _columns.id == bindparam("of_id"))
    .values(state=bindparam("new_state"))
)
_OPEN = (
    select(
        *(_columns[name] for name in _COLUMNS),
        # The notice is an entry of the conversation, so that it is there or not: no second record to keep in step.
        exists().where(
            and_(
                _entry.tenant == _columns.tenant,
                _entry.conversation == _columns.conversation,
                _entry.answered_by == literal(NOTICE) + _columns.id,
            )
        ),
    )
    .where(_columns.state != literal("done"))
    .order_by(_columns.at, _columns.id)
)


class HandOff(msgspec.Struct, gc=False):
    """A conversation that waits for a human, or has one.

    `number` counts those of the conversation from 1, `reason` is the failure of the model, `language` the visitor's,
    `at` UTC in milliseconds since the epoch. `told`: the visitor knows.
    """

    tenant: str
    id: str
    conversation: str
    number: int
    reason: str
    language: str
    state: State
    at: int
    told: bool = False


class HandOffs:
    """The hand-offs in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def insert(self, handoff: HandOff) -> None:
        """Store a new one.

        Raises:
            IntegrityError: the conversation has one of this number, or there is no such conversation.
        """
        await self._store.writer.run(_INSERT, {name: getattr(handoff, name) for name in _COLUMNS})

    async def last_number(self, tenant: str, conversation: str) -> int:
        """The number of the conversation's newest one; 0 if it never had any."""
        async with self._store.engine.connect() as connection:
            found: int | None = await connection.scalar(_LAST_NUMBER, {"tenant": tenant, "conversation": conversation})
        return found or 0

    async def set_state(self, tenant: str, id: str, state: State) -> None:  # noqa: A002 - the column's name
        """Note that somebody has taken it, or that it is done."""
        await self._store.writer.run(_SET_STATE, {"of_tenant": tenant, "of_id": id, "new_state": state})

    async def open(self) -> list[HandOff]:
        """All that are not done, oldest first, with whether their notice is in the log."""
        async with self._store.engine.connect() as connection:
            found: list[tuple[Any, ...]] = [tuple(row) for row in await connection.execute(_OPEN)]
        return [HandOff(*row) for row in found]

"""The SQL of the conversation log. Its rules are `chat/log.py`'s; nobody else writes entries.

Rows come as tuples in the order of `COLUMNS`. Of one conversation and in the order of `seq`, unless said otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, func, insert, literal_column, select, update

from . import schema
from .engine import Store

COLUMNS = (
    "seq",
    "role",
    "text",
    "at",
    "client_id",
    "status",
    "finish_reason",
    "sources",
    "flags",
    "answered_by",
    "state",
)

#: How many of the newest entries a start looks at for messages nobody has answered: 10 s of full
#: load, which takes a quarter of a second.
SCANNED = 100_000

_entry = schema.entries.c
_conversation = schema.conversations.c
_selected = [_entry[name] for name in COLUMNS]
_of_conversation = and_(_entry.tenant == bindparam("tenant"), _entry.conversation == bindparam("conversation"))
# As a literal, because SQLite's planner uses the partial index only where it sees the value.
_is_streaming = _entry.status == literal_column("'streaming'")
_one = and_(
    _entry.tenant == bindparam("of_tenant"),
    _entry.conversation == bindparam("of_conversation"),
    _entry.seq == bindparam("of_seq"),
    _is_streaming,
)

#: Parameters: `tenant`, `conversation` and all of COLUMNS.
INSERT = insert(schema.entries)

#: The text of an answer under way. Parameters: of_tenant, of_conversation, of_seq, new_text.
CHECKPOINT = update(schema.entries).where(_one).values(text=bindparam("new_text"))

#: The end of an answer. Parameters: those of CHECKPOINT, new_status, new_reason, new_sources.
FINISH = (
    update(schema.entries)
    .where(_one)
    .values(
        text=bindparam("new_text"),
        status=bindparam("new_status"),
        finish_reason=bindparam("new_reason"),
        sources=bindparam("new_sources", type_=schema.Json),
    )
)

#: An answer that nobody goes on with, its text as it is. Parameters: of_tenant, of_conversation, of_seq, new_reason.
ABANDON = (
    update(schema.entries)
    .where(_one)
    .values(status=literal_column("'interrupted'"), finish_reason=bindparam("new_reason"))
)

#: All of them, at the start of the process. Parameters: new_reason.
ABANDON_ALL = (
    update(schema.entries)
    .where(_is_streaming)
    .values(status=literal_column("'interrupted'"), finish_reason=bindparam("new_reason"))
)

# One statement for what opening a conversation needs: a row even where there is no entry yet.
_HEAD = (
    select(_conversation.visitor, *_selected)
    .select_from(
        schema.conversations.outerjoin(
            schema.entries,
            and_(_entry.tenant == _conversation.tenant, _entry.conversation == _conversation.id),
        )
    )
    .where(_conversation.tenant == bindparam("tenant"), _conversation.id == bindparam("conversation"))
    .order_by(_entry.seq.desc())
    .limit(bindparam("count"))
)
_CLIENT_IDS = select(_entry.client_id, _entry.seq).where(_of_conversation, _entry.client_id.is_not(None))
_AFTER = (
    select(*_selected)
    .where(_of_conversation, _entry.seq > bindparam("after"))
    .order_by(_entry.seq)
    .limit(bindparam("count"))
)
_BEFORE = (
    select(*_selected)
    .where(_of_conversation, _entry.seq < bindparam("before"))
    .order_by(_entry.seq.desc())
    .limit(bindparam("count"))
)
_STATE = select(_entry.state).where(_of_conversation, _entry.state.is_not(None)).order_by(_entry.seq.desc()).limit(1)

_newest = (
    select(_entry.tenant, _entry.conversation, _entry.seq)
    .where(_entry.at >= bindparam("since"))
    .order_by(_entry.at.desc())
    .limit(SCANNED)
    .subquery()
)
_last = (
    select(_newest.c.tenant, _newest.c.conversation, func.max(_newest.c.seq).label("seq"))
    .group_by(_newest.c.tenant, _newest.c.conversation)
    .subquery()
)
_LAST_OF_VISITOR = (
    select(_entry.tenant, _entry.conversation, _entry.flags)
    .join(
        _last,
        and_(
            _entry.tenant == _last.c.tenant,
            _entry.conversation == _last.c.conversation,
            _entry.seq == _last.c.seq,
        ),
    )
    .where(_entry.role == "visitor")
    .order_by(_entry.at)
)

EntryRow = tuple[Any, ...]


class Head(NamedTuple):
    """A conversation's visitor and its newest entries."""

    visitor: str
    tail: list[EntryRow]


class Entries:
    """Reads the log."""

    def __init__(self, store: Store) -> None:
        self._engine = store.engine

    async def head(self, tenant: str, conversation: str, count: int) -> Head | None:
        """Visitor and the newest `count` entries; None if there is no such conversation."""
        rows = await self._rows(_HEAD, tenant=tenant, conversation=conversation, count=count)
        if not rows:
            return None
        return Head(rows[0][0], [row[1:] for row in reversed(rows) if row[1] is not None])

    async def client_ids(self, tenant: str, conversation: str) -> dict[str, int]:
        """Every client id of the conversation, with the seq that it got."""
        rows = await self._rows(_CLIENT_IDS, tenant=tenant, conversation=conversation)
        return {row[0]: row[1] for row in rows}

    async def state(self, tenant: str, conversation: str) -> str | None:
        """The newest state of a dialogue that the conversation has; None if it never had one."""
        rows = await self._rows(_STATE, tenant=tenant, conversation=conversation)
        return rows[0][0] if rows else None

    async def after(self, tenant: str, conversation: str, after: int, count: int) -> Sequence[EntryRow]:
        """The `count` entries that follow entry `after`."""
        return await self._rows(_AFTER, tenant=tenant, conversation=conversation, after=after, count=count)

    async def before(self, tenant: str, conversation: str, before: int, count: int) -> Sequence[EntryRow]:
        """The `count` entries that precede entry `before`."""
        rows = await self._rows(_BEFORE, tenant=tenant, conversation=conversation, before=before, count=count)
        return rows[::-1]

    async def unanswered(self, since: int) -> list[tuple[str, str, Any]]:
        """(tenant, conversation, flags) of each last entry that is a visitor's and not older than `since`, in ms."""
        return [(row[0], row[1], row[2]) for row in await self._rows(_LAST_OF_VISITOR, since=since)]

    async def _rows(self, statement: Any, **parameters: object) -> Sequence[EntryRow]:
        async with self._engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(statement, parameters)]

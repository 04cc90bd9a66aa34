"""Conversations, apart from their entries: how far their visitors have read."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

from sqlalchemy import bindparam, select, update

from . import schema
from .engine import Store

log = logging.getLogger(__name__)

#: Marks are written at most once in this many seconds, only the newest of each conversation.
MARK_SECONDS = 1.0

_columns = schema.conversations.c
_MARK = (
    update(schema.conversations)
    .where(
        _columns.tenant == bindparam("of_tenant"),
        _columns.id == bindparam("of_id"),
        _columns.read_seq < bindparam("seq"),
    )
    .values(read_seq=bindparam("seq"))
)
_READ = select(_columns.read_seq).where(
    _columns.tenant == bindparam("tenant"), _columns.id == bindparam("conversation")
)


class Conversations:
    """The conversations in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._marks: dict[tuple[str, str], int] = {}
        self._storing: dict[tuple[str, str], int] = {}
        self._timer: asyncio.TimerHandle | None = None
        store.before_close(self._flush)

    def mark_read(self, tenant: str, conversation: str, seq: int) -> None:
        """Remember that everything up to `seq` was read. Never goes back; a crash may lose the last second."""
        key = (tenant, conversation)
        if seq > self._marks.get(key, 0):
            self._marks[key] = seq
            if self._timer is None:
                self._timer = self._loop.call_later(MARK_SECONDS, self._flush)

    async def read_seq(self, tenant: str, conversation: str) -> int:
        """How far was read; 0 for nothing, and for a conversation that is not there."""
        # Looked up before the store is read, which then has all that is not here.
        key = (tenant, conversation)
        known = max(self._marks.get(key, 0), self._storing.get(key, 0))
        async with self._store.engine.connect() as connection:
            stored = await connection.scalar(_READ, {"tenant": tenant, "conversation": conversation})
        return max(stored or 0, known)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        marks, self._marks = self._marks, {}
        for key, seq in marks.items():
            self._storing[key] = max(seq, self._storing.get(key, 0))
            values = {"of_tenant": key[0], "of_id": key[1], "seq": seq}
            self._store.writer.submit(_MARK, values, partial(self._stored, key, seq))

    def _stored(self, key: tuple[str, str], seq: int, error: Exception | None) -> None:
        if self._storing.get(key) == seq:
            del self._storing[key]
        if error is not None:
            log.warning("a read mark was not stored: %s", error)

"""What was used: requests, tokens and money, summed by hour.

A call is recorded by adding to a sum in memory; the sums are written a few times a second, as "add this to the row".
What the store refuses is added back to the sums and written later. So an ordinary end of the process loses nothing;
a kill -9 or a power cut loses what was recorded since the last write (`FLUSH_SECONDS`, and the time the writer needs
for its group), and all that waits while the store cannot write.

A database on another machine that commits, and whose answer does not come back, has the sums of that group twice.
SQLite, in the same process, always says what became of a commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import Executable, bindparam, func, select, update

from . import schema
from .engine import Store
from .keys import BILLION
from .months import month_bounds
from .writer import WriterClosed

log = logging.getLogger(__name__)

#: Sums are written this long after the first of them was begun.
FLUSH_SECONDS = 0.25

#: Rows that are handed to the writer at a time, so that the acks of the chat do not wait behind thousands of them.
BATCH = 500

#: A drain tries this long to get the last sums into a store that fails.
CLOSE_SECONDS = 5.0

#: More in one row than this is somebody's mistake, and would overflow the column.
_MOST = 10**15

_HOUR, _DAY = 3_600_000, 86_400_000
_SUMS = ("requests", "failed", "cached", "prompt", "completion", "cost")
_columns = schema.usage.c
_USED = (
    update(schema.api_keys)
    .where(schema.api_keys.c.tenant == bindparam("of_tenant"), schema.api_keys.c.id == bindparam("of_id"))
    .values(used_at=bindparam("at"))
)

#: Tenant, key, model, provider, and the hour since the epoch.
_Name = tuple[str, str, str, str, int]


class Usage(msgspec.Struct, frozen=True):
    """Sums of one tenant, key, model and provider. `failed` and `cached` requests are counted in `requests` too."""

    tenant: str
    key: str
    model: str
    provider: str
    requests: int
    failed: int
    cached: int
    prompt: int
    completion: int
    cost: float


class UsageRecorder:
    """Records what is used, and tells it again."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._add = _upsert(store.engine.dialect.name)
        self._hour = self._hour_begins = 0
        self._sums: dict[_Name, list[Any]] = {}
        self._in_flight = 0
        self._settled: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._complained = False
        self._used: dict[str, int] = {}
        store.before_close(self._submit_all)

    def record(
        self,
        tenant: str,
        key: str,
        model: str,
        provider: str,
        *,
        requests: int = 1,
        prompt: int = 0,
        completion: int = 0,
        cost: float = 0.0,
        failed: int = 0,
        cached: int = 0,
    ) -> None:
        """Add to the sums of this hour.

        Args:
            key: Id of the caller's key; empty for the chat's own use.
            prompt: Tokens, as `completion`.
            cost: In the currency of the prices.
            failed: How many of the requests got no whole answer.
            cached: How many were answered from the response cache.
        """
        if not self._hour_begins <= (now := self._clock()) < self._hour_begins + 3600:
            self._hour = int(now) // 3600
            self._hour_begins = self._hour * 3600
        name = (tenant, key, model, provider, self._hour)
        sums = self._sums.get(name)
        if sums is not None:
            sums[0] += requests
            sums[1] += failed
            sums[2] += cached
            sums[3] += prompt
            sums[4] += completion
            sums[5] += cost
            return
        self._sums[name] = [requests, failed, cached, prompt, completion, cost]
        if self._timer is None:
            self._timer = self._loop.call_later(FLUSH_SECONDS, self._flush)

    async def flush(self) -> None:
        """Write what was recorded until now. What the store does not take stays in memory to be written later."""
        self._submit_all()
        if self._in_flight:
            settled: asyncio.Future[None] = self._loop.create_future()
            self._settled.append(settled)
            await settled

    async def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write everything; while the store fails, try for `seconds`, then put what is left into the log.

        To be called before the store is closed.
        """
        self._closing = True
        end = self._loop.time() + seconds
        await self.flush()
        while self._sums and (left := end - self._loop.time()) > 0:
            await asyncio.sleep(min(FLUSH_SECONDS, left))
            await self.flush()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        lost, self._sums = self._sums, {}
        for name, sums in lost.items():
            _log_lost(name, sums)

    async def spent(self, month: float | None = None) -> dict[str, float]:
        """Money by key id in the calendar month (UTC) that holds the time `month` (seconds; default: now)."""
        first, following = month_bounds(self._clock() if month is None else month)
        statement = (
            select(_columns.api_key, func.sum(_columns.cost))
            # The tenants are named so that the primary key finds the month.
            .where(_columns.tenant.in_(select(schema.api_keys.c.tenant)))
            .where(_columns.hour >= int(first) * 1000, _columns.hour < int(following) * 1000)
            .group_by(_columns.api_key)
        )
        async with self._store.engine.connect() as connection:
            return {key: float(cost) / BILLION for key, cost in await connection.execute(statement) if key}

    async def report(
        self, since: float, until: float, *, tenant: str | None = None, key: str | None = None
    ) -> list[Usage]:
        """Sums of the hours that begin in [since, until) (seconds since the epoch), by tenant, key, model, provider."""
        names = (_columns.tenant, _columns.api_key, _columns.model, _columns.provider)
        statement = (
            select(*names, *(func.sum(_columns[sums]) for sums in _SUMS))
            .where(_columns.hour >= int(since * 1000), _columns.hour < int(until * 1000))
            .group_by(*names)
            .order_by(*names)
        )
        if tenant is not None:
            statement = statement.where(_columns.tenant == tenant)
        if key is not None:
            statement = statement.where(_columns.api_key == key)
        async with self._store.engine.connect() as connection:
            rows = (await connection.execute(statement)).all()
        # MySQL's sums are decimals.
        return [_usage(*row[:4], *map(int, row[4:])) for row in rows]

    def _flush(self) -> None:
        self._timer = None
        if not self._sums:
            return
        if not self._store.writer.failing:
            self._submit(BATCH)
        if self._sums:
            # More than a batch: the rest soon. A store that fails: when the writer has found that it works again.
            wait = FLUSH_SECONDS if self._store.writer.failing else FLUSH_SECONDS / 10
            self._timer = self._loop.call_later(wait, self._flush)

    def _submit_all(self) -> None:
        self._submit(len(self._sums))

    def _submit(self, count: int) -> None:
        names = list(islice(self._sums, count))
        for name in names:
            sums = self._sums.pop(name)
            try:
                self._store.writer.submit(self._add, _row(name, sums), functools.partial(self._written, name, sums))
            except WriterClosed:
                _log_lost(name, sums)
                continue
            self._in_flight += 1
        for name in names:
            self._note_day(name)

    def _note_day(self, name: _Name) -> None:
        tenant, key, _, _, hour = name
        day = hour * _HOUR // _DAY * _DAY
        if not key or self._used.get(key) == day:
            return
        row = {"of_tenant": tenant, "of_id": _text(key, 36), "at": day}
        with contextlib.suppress(WriterClosed):
            self._store.writer.submit(_USED, row, functools.partial(self._noted, key))
            self._used[key] = day

    def _noted(self, key: str, error: Exception | None) -> None:
        if error is not None:
            self._used.pop(key, None)

    def _written(self, name: _Name, sums: list[Any], error: Exception | None) -> None:
        self._in_flight -= 1
        if error is None:
            self._complained = False
        else:
            self._take_back(name, sums, error)
        if not self._in_flight:
            settled, self._settled = self._settled, []
            for future in settled:
                if not future.done():
                    future.set_result(None)

    def _take_back(self, name: _Name, sums: list[Any], error: Exception) -> None:
        if not self._complained:
            self._complained = True
            log.warning("usage is kept in memory until the store can write: %s", error)
        newer = self._sums.get(name)
        self._sums[name] = sums if newer is None else [old + new for old, new in zip(sums, newer, strict=True)]
        if self._timer is None and not self._closing:
            self._timer = self._loop.call_later(FLUSH_SECONDS, self._flush)


def _upsert(dialect: str) -> Executable:
    # Each is imported where it is needed: importing all of them takes as long as opening the database.
    if dialect in ("mysql", "mariadb"):
        from sqlalchemy.dialects import mysql

        into_mysql = mysql.insert(schema.usage)
        return into_mysql.on_duplicate_key_update({name: _columns[name] + into_mysql.inserted[name] for name in _SUMS})
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        into_postgresql = postgresql.insert(schema.usage)
        added = {name: _columns[name] + into_postgresql.excluded[name] for name in _SUMS}
        return into_postgresql.on_conflict_do_update(index_elements=list(schema.usage.primary_key), set_=added)
    from sqlalchemy.dialects import sqlite

    into = sqlite.insert(schema.usage)
    added = {name: _columns[name] + into.excluded[name] for name in _SUMS}
    return into.on_conflict_do_update(index_elements=list(schema.usage.primary_key), set_=added)


def _usage(
    tenant: str, key: str, model: str, provider: str,
    requests: int, failed: int, cached: int, prompt: int, completion: int, cost: int,
) -> Usage:  # fmt: skip
    return Usage(tenant, key, model, provider, requests, failed, cached, prompt, completion, cost / BILLION)


def _row(name: _Name, sums: list[Any]) -> dict[str, object]:
    """What the columns can take whatever came in: a row that is refused for its values would be refused for ever."""
    tenant, key, model, provider, hour = name
    row: dict[str, object] = {
        "tenant": _text(tenant, 64),
        "hour": hour * _HOUR,
        "api_key": _text(key, 36),
        "model": _text(model, 255),
        "provider": _text(provider, 64),
    }
    row.update((column, _whole(value)) for column, value in zip(_SUMS[:-1], sums, strict=False))
    row["cost"] = _whole(sums[-1] * BILLION)
    return row


def _text(value: str, most: int) -> str:
    return value if value.isascii() and len(value) <= most else value[:most].encode("utf-8", "replace").decode()


def _whole(value: float) -> int:
    return min(max(round(value), 0), _MOST) if math.isfinite(value) else 0


def _log_lost(name: _Name, sums: list[Any]) -> None:
    tenant, key, model, provider, hour = name
    log.error(
        "usage that the store did not take: tenant=%s key=%s model=%s provider=%s hour=%s %s",
        *(tenant, key, model, provider, datetime.fromtimestamp(hour * 3600, UTC).isoformat()),
        " ".join(f"{column}={value}" for column, value in zip(_SUMS, sums, strict=True)),
    )

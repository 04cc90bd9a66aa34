"""Usage: exact sums, and nothing lost while the store fails, at a drain, under many records."""

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from xiaoer_server.store import usage as usage_module
from xiaoer_server.store import writer as writer_module
from xiaoer_server.store.engine import Store
from xiaoer_server.store.keys import Keys
from xiaoer_server.store.months import month_bounds
from xiaoer_server.store.tenants import Tenants
from xiaoer_server.store.usage import Usage, UsageRecorder

NOVEMBER = datetime(2026, 11, 23, 10, 30, tzinfo=UTC).timestamp()
ALL = (0.0, 1e11)


class Clock:
    def __init__(self, now: float = NOVEMBER) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def recorder(store: Store, clock: Clock) -> AsyncIterator[UsageRecorder]:
    recorder = UsageRecorder(store, clock=clock)
    yield recorder
    await recorder.close()


@pytest.fixture
def locked(store: Store, monkeypatch: pytest.MonkeyPatch) -> Callable[[], sqlite3.Connection]:
    """Makes the store fail until the connection is rolled back."""
    monkeypatch.setattr(writer_module, "PROBE_SECONDS", 0.01)

    def lock() -> sqlite3.Connection:
        holder = sqlite3.connect(store.folder / "xiaoer.db", isolation_level=None)
        store._connection.exec_driver_sql("PRAGMA busy_timeout = 1")
        store._connection.rollback()
        holder.execute("BEGIN IMMEDIATE")
        return holder

    return lock


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_sums_by_tenant_key_model_and_provider(recorder: UsageRecorder) -> None:
    recorder.record("demo", "k1", "m", "p", prompt=10, completion=5, cost=0.25)
    recorder.record("demo", "k1", "m", "p", prompt=1, completion=2, cost=0.5)
    recorder.record("demo", "k1", "m", "other", failed=1)
    recorder.record("demo", "k2", "m", "p", cached=1)
    await recorder.flush()
    recorder.record("demo", "k1", "m", "p", requests=2, prompt=100)
    recorder.record("shop", "", "模型", "p", prompt=7)
    await recorder.flush()
    assert await recorder.report(*ALL) == [
        Usage("demo", "k1", "m", "other", 1, 1, 0, 0, 0, 0.0),
        Usage("demo", "k1", "m", "p", 4, 0, 0, 111, 7, 0.75),
        Usage("demo", "k2", "m", "p", 1, 0, 1, 0, 0, 0.0),
        Usage("shop", "", "模型", "p", 1, 0, 0, 7, 0, 0.0),
    ]
    assert [row.key for row in await recorder.report(*ALL, tenant="demo", key="k2")] == ["k2"]


async def test_it_is_written_by_itself(recorder: UsageRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert usage_module.FLUSH_SECONDS == 0.25
    monkeypatch.setattr(usage_module, "FLUSH_SECONDS", 0.01)
    recorder.record("demo", "k", "m", "p")
    assert await recorder.report(*ALL) == []
    async with asyncio.timeout(10):
        while not await recorder.report(*ALL):
            await asyncio.sleep(0.005)
    assert recorder._timer is None, "nothing runs while nothing is recorded"


async def test_hours_and_months(store: Store, recorder: UsageRecorder, clock: Clock) -> None:
    await Tenants(store).ensure("demo", name="Demo")
    _, key = await Keys(store).create("demo", "a")
    october, december = (datetime(2026, month, 1, tzinfo=UTC).timestamp() - 1 for month in (11, 12))
    for at, cost in ((october, 1.0), (october + 1, 2.0), (december, 4.0), (december + 1, 8.0)):
        clock.now = at
        recorder.record("demo", key.id, "m", "p", cost=cost)
        recorder.record("demo", "", "m", "p", cost=100.0)  # the chat's own, nobody's budget
    await recorder.flush()
    assert await recorder.spent(NOVEMBER) == {key.id: 6.0}
    assert await recorder.spent(october) == {key.id: 1.0}
    assert await recorder.spent() == {key.id: 8.0}
    assert await recorder.spent(0) == {}
    [row] = await recorder.report(*month_bounds(NOVEMBER), key=key.id)
    assert row.cost == 6.0


def test_the_bounds_of_a_month() -> None:
    for year, month, following in ((2026, 12, (2027, 1)), (2028, 2, (2028, 3))):
        at = datetime(year, month, 28, 23, 59, tzinfo=UTC).timestamp()
        first, end = month_bounds(at)
        assert datetime.fromtimestamp(first, UTC) == datetime(year, month, 1, tzinfo=UTC)
        assert datetime.fromtimestamp(end, UTC) == datetime(*following, 1, tzinfo=UTC)
        assert month_bounds(first) == (first, end)
        assert month_bounds(end)[0] == end


async def test_the_day_of_the_last_use(store: Store, recorder: UsageRecorder, clock: Clock) -> None:
    await Tenants(store).ensure("demo", name="Demo")
    keys = Keys(store)
    _, used = await keys.create("demo", "used")
    await keys.create("demo", "never used")
    for _ in range(3):
        recorder.record("demo", used.id, "m", "p")
        await recorder.flush()
        clock.now += 86_400
    await store.writer.drain()
    days = [key.used_at for key in await keys.all()]
    assert days == [datetime(2026, 11, 25, tzinfo=UTC).timestamp() * 1000, None]


async def test_ten_thousand_records_are_exact(store: Store, recorder: UsageRecorder, clock: Clock) -> None:
    expected: Counter[tuple[str, str]] = Counter()
    requests = 0
    for number in range(10_000):
        key, model = f"k{random.randrange(40)}", f"m{random.randrange(50)}"
        tokens = random.randrange(1000)
        recorder.record("demo", key, model, "p", prompt=tokens, completion=1, cost=0.000_000_001)
        expected[key, model] += tokens
        requests += 1
        if number % 1000 == 0:
            clock.now += 600
            await recorder.flush()
        elif number % 97 == 0:
            await asyncio.sleep(0)
    await recorder.flush()
    rows = await recorder.report(*ALL)
    assert {(row.key, row.model): row.prompt for row in rows} == dict(expected)
    assert sum(row.requests for row in rows) == sum(row.completion for row in rows) == requests
    assert sum(round(row.cost * 1e9) for row in rows) == requests


async def test_many_rows_go_in_batches(store: Store, recorder: UsageRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_module, "FLUSH_SECONDS", 0.01)
    sizes: list[int] = []
    commit = store.writer._commit
    monkeypatch.setattr(store.writer, "_commit", lambda group: sizes.append(len(group)) or commit(group))
    for number in range(2_000):
        recorder.record("demo", "", f"m{number}", "p")
    await until(lambda: not recorder._sums and not recorder._in_flight)
    assert len(await recorder.report(*ALL)) == 2_000
    assert max(sizes) <= usage_module.BATCH


async def test_a_store_that_fails_for_a_while(
    store: Store,
    recorder: UsageRecorder,
    locked: Callable[[], sqlite3.Connection],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(usage_module, "FLUSH_SECONDS", 0.01)
    recorder.record("demo", "k", "m", "p", prompt=1, cost=0.5)
    holder = locked()
    await until(lambda: store.writer.failing)
    for _ in range(20):
        recorder.record("demo", "k", "m", "p", prompt=1, cost=0.5)
        recorder.record("demo", "k2", "m", "p", prompt=1)
        await asyncio.sleep(0.01)
    assert await recorder.report(*ALL) == []
    holder.rollback()
    holder.close()
    await until(lambda: not recorder._sums and not recorder._in_flight)
    assert [(row.key, row.requests, row.prompt, row.cost) for row in await recorder.report(*ALL)] == [
        ("k", 21, 21, 10.5),
        ("k2", 20, 20, 0.0),
    ]
    assert caplog.text.count("usage is kept in memory") == 1, "said once, not four times a second"


async def test_what_fails_in_flight_joins_what_came_meanwhile(
    store: Store, recorder: UsageRecorder, locked: Callable[[], sqlite3.Connection]
) -> None:
    holder = locked()
    recorder.record("demo", "k", "m", "p", prompt=3)
    flushing = asyncio.create_task(recorder.flush())
    await asyncio.sleep(0)
    recorder.record("demo", "k", "m", "p", prompt=4)
    await flushing
    assert list(recorder._sums.values()) == [[2, 0, 0, 7, 0, 0.0]]
    holder.rollback()
    holder.close()
    await recorder.flush()
    assert [(row.requests, row.prompt) for row in await recorder.report(*ALL)] == [(2, 7)]


async def test_a_drain_waits_for_the_store(
    store: Store, recorder: UsageRecorder, locked: Callable[[], sqlite3.Connection]
) -> None:
    holder = locked()
    recorder.record("demo", "k", "m", "p")
    closing = asyncio.create_task(recorder.close())
    await asyncio.sleep(0.1)
    recorder.record("demo", "k", "m", "p")  # a call that ends during the drain
    assert not closing.done()
    holder.rollback()
    holder.close()
    await closing
    assert [row.requests for row in await recorder.report(*ALL)] == [2]


async def test_a_drain_ends_and_says_what_was_lost(
    recorder: UsageRecorder, locked: Callable[[], sqlite3.Connection], caplog: pytest.LogCaptureFixture
) -> None:
    holder = locked()
    recorder.record("demo", "k", "m", "p", prompt=12, cost=0.5)
    await recorder.close(0.05)
    holder.close()
    lines = [record.getMessage() for record in caplog.records if "did not take" in record.getMessage()]
    [line] = lines
    assert "tenant=demo key=k model=m provider=p hour=2026-11-23T10:00:00+00:00 requests=1" in line
    assert line.endswith("prompt=12 completion=0 cost=0.5")


async def test_the_store_takes_what_nobody_flushed(tmp_path: Path, clock: Clock) -> None:
    store = await Store.open(tmp_path / "again")
    UsageRecorder(store, clock=clock).record("demo", "k", "m", "p", prompt=3)
    await store.close()
    store = await Store.open(tmp_path / "again")
    assert [row.prompt for row in await UsageRecorder(store).report(*ALL)] == [3]
    await store.close()


async def test_a_record_after_the_end_is_in_the_log(
    store: Store, recorder: UsageRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    await store.writer.close()
    recorder.record("demo", "k", "m", "p", prompt=3)
    await recorder.flush()
    assert "did not take: tenant=demo key=k" in caplog.text


async def test_nothing_makes_a_row_that_is_refused_for_ever(recorder: UsageRecorder) -> None:
    recorder.record("demo", "k", "\ud800", "p", prompt=1 << 80, completion=-1, cost=float("nan"))
    recorder.record("demo" * 100, "k" * 100, "m" * 1000, "p" * 100, cost=float("inf"))
    await recorder.flush()
    strange, long = await recorder.report(*ALL)
    assert (strange.model, strange.prompt, strange.completion, strange.cost) == ("?", 10**15, 0, 0.0)
    assert tuple(map(len, (long.tenant, long.key, long.model, long.provider))) == (64, 36, 255, 64)


async def test_the_writer_says_what_went_wrong(store: Store, locked: Callable[[], sqlite3.Connection]) -> None:
    """The fixture does what the tests above rely on."""
    holder = locked()
    with pytest.raises(OperationalError, match="locked"):
        await Tenants(store).ensure("demo", name="Demo")
    holder.close()

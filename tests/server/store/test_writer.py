"""The group writer on a real database."""

import asyncio
import sqlite3
from collections.abc import Callable

import pytest
from sqlalchemy import delete, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError

from xiaoer_server.store import schema
from xiaoer_server.store import writer as writer_module
from xiaoer_server.store.engine import Store
from xiaoer_server.store.writer import Operation, WriterClosed

INSERT = insert(schema.tenants)
DELETE = delete(schema.tenants)


def row(name: str) -> dict[str, object]:
    return {"id": name, "name": name, "allowed_sites": [name], "settings": {}, "created_at": 1}


async def names(store: Store) -> list[str]:
    """All tenants in the order in which they were inserted."""
    async with store.engine.connect() as connection:
        return list(await connection.scalars(select(schema.tenants.c.id).order_by(text("rowid"))))


class Outcomes:
    """Collects what `done` is told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Exception | None]] = []

    def of(self, name: str) -> Callable[[Exception | None], None]:
        return lambda error: self.told.append((name, error))

    @property
    def stored(self) -> list[str]:
        return [name for name, error in self.told if error is None]

    @property
    def failed(self) -> list[str]:
        return [name for name, error in self.told if error is not None]


@pytest.fixture
def groups(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the groups that the thread gets."""
    sizes: list[int] = []
    commit = store.writer._commit

    def counted(group: list[Operation]) -> dict[int, Exception]:
        sizes.append(len(group))
        return commit(group)

    monkeypatch.setattr(store.writer, "_commit", counted)
    return sizes


async def test_what_is_submitted_together_is_committed_together_in_order(store: Store, groups: list[int]) -> None:
    outcomes = Outcomes()
    wanted = [f"t{number:03}" for number in range(100)]
    for name in wanted:
        store.writer.submit(INSERT, row(name), outcomes.of(name))
    await asyncio.sleep(0)
    assert outcomes.told == []
    await store.writer.drain()
    assert outcomes.stored == wanted
    assert groups == [100]
    assert await names(store) == wanted


async def test_a_group_closes_after_its_time(store: Store, groups: list[int]) -> None:
    told = asyncio.Event()
    store.writer.submit(INSERT, row("a"), lambda _error: told.set())
    await asyncio.wait_for(told.wait(), 10)  # nobody drains
    assert groups == [1]


async def test_a_group_closes_at_its_size(store: Store, groups: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "GROUP_SECONDS", 3600)
    outcomes = Outcomes()
    for number in range(1050):
        store.writer.submit(INSERT, row(str(number)), outcomes.of(str(number)))
    while len(outcomes.told) < 1000:
        await asyncio.sleep(0.001)
    assert groups == [500, 500]
    await store.writer.drain()
    assert groups == [500, 500, 50]
    assert await names(store) == [str(number) for number in range(1050)]


async def test_statements_keep_their_order(store: Store) -> None:
    outcomes = Outcomes()
    for name in ("a", "b", "c", "d", "e"):
        store.writer.submit(INSERT, row(name), outcomes.of(name))
    store.writer.submit(DELETE, {}, outcomes.of("delete"))
    store.writer.submit(DELETE, {}, outcomes.of("delete"))
    store.writer.submit(INSERT, row("a"), outcomes.of("a"))
    await store.writer.drain()
    assert outcomes.failed == []
    assert await names(store) == ["a"]


async def test_rows_with_and_without_a_column_share_a_statement(store: Store) -> None:
    outcomes = Outcomes()
    statement = text("INSERT INTO tenants VALUES (:id, :name, '[]', '{}', 1)")
    for name in ("a", "b"):
        store.writer.submit(statement, {"id": name, "name": name}, outcomes.of(name))
    store.writer.submit(statement, {"id": "c", "name": "c", "more": 1}, outcomes.of("c"))
    await store.writer.drain()
    assert await names(store) == ["a", "b", "c"]


async def test_one_refused_row_fails_alone(store: Store) -> None:
    outcomes = Outcomes()
    for name in ("a", "b", "a", "c"):
        store.writer.submit(INSERT, row(name), outcomes.of(name))
    await store.writer.drain()
    assert outcomes.stored == ["a", "b", "c"]
    assert outcomes.failed == ["a"]
    assert isinstance(outcomes.told[2][1], IntegrityError)
    assert await names(store) == ["a", "b", "c"]


async def test_a_value_the_database_cannot_take_fails_alone(store: Store) -> None:
    outcomes = Outcomes()
    for name in ("a", "\ud800", "b"):
        store.writer.submit(INSERT, row(name), outcomes.of(name))
    store.writer.submit(INSERT, row("c") | {"created_at": 1 << 70}, outcomes.of("c"))
    store.writer.submit(INSERT, row("d"), outcomes.of("d"))
    await store.writer.drain()
    assert outcomes.stored == ["a", "b", "d"]
    assert outcomes.failed == ["\ud800", "c"]


async def test_a_chain_breaks_with_its_first_failure(store: Store, groups: list[int]) -> None:
    outcomes = Outcomes()
    store.writer.submit(INSERT, row("a"), outcomes.of("a"), chain=1)
    store.writer.submit(INSERT, row("a"), outcomes.of("again"), chain=1)
    store.writer.submit(INSERT, row("b"), outcomes.of("b"), chain=1)
    store.writer.submit(INSERT, row("c"), outcomes.of("c"), chain=2)
    store.writer._is_due()
    # The thread has the first group; these wait for the next one.
    store.writer.submit(INSERT, row("d"), outcomes.of("d"), chain=1)
    store.writer.submit(INSERT, row("e"), outcomes.of("e"), chain=2)
    store.writer.submit(INSERT, row("f"), outcomes.of("f"))
    await store.writer.drain()
    assert sorted(outcomes.failed) == ["again", "b", "d"]
    assert await names(store) == ["a", "c", "e", "f"]
    store.writer.submit(INSERT, row("g"), outcomes.of("g"), chain=1)
    await store.writer.drain()
    assert "g" in outcomes.stored


async def test_together_is_all_or_nothing(store: Store) -> None:
    outcomes = Outcomes()
    store.writer.submit(INSERT, row("a"), outcomes.of("a"))
    failing = asyncio.create_task(store.writer.together([(INSERT, row("b")), (INSERT, row("a"))]))
    working = asyncio.create_task(store.writer.together([(INSERT, row("c")), (INSERT, row("d"))]))
    with pytest.raises(IntegrityError):
        await failing
    await working
    assert await names(store) == ["a", "c", "d"]


async def test_a_full_disk_fails_the_group_and_what_waits_then_the_writer_goes_on(store: Store) -> None:
    await store.writer.run(INSERT, row("first"))
    connection = store._connection
    pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    connection.rollback()
    outcomes = Outcomes()
    for number in range(20):
        large = row(f"large{number}") | {"settings": {"x": "x" * 50_000}}
        store.writer.submit(INSERT, large, outcomes.of(f"large{number}"))
    store.writer._is_due()
    store.writer.submit(INSERT, row("waiting"), outcomes.of("waiting"))
    await store.writer.drain()
    assert outcomes.stored == []
    assert outcomes.failed == [*(f"large{number}" for number in range(20)), "waiting"]
    assert isinstance(outcomes.told[0][1], OperationalError)
    assert await names(store) == ["first"]

    connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    connection.rollback()
    await store.writer.run(INSERT, row("next"))
    assert await names(store) == ["first", "next"]


async def test_it_finds_out_by_itself_that_the_store_works_again(
    store: Store, monkeypatch: pytest.MonkeyPatch, groups: list[int]
) -> None:
    monkeypatch.setattr(writer_module, "PROBE_SECONDS", 0.01)
    holder = sqlite3.connect(store.folder / "xiaoer.db", isolation_level=None)
    store._connection.exec_driver_sql("PRAGMA busy_timeout = 1")
    store._connection.rollback()
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(OperationalError):
        await store.writer.run(INSERT, row("a"))
    assert store.writer.failing
    await asyncio.sleep(0.1)
    assert store.writer.failing
    assert 2 < len(groups) < 15
    holder.rollback()
    holder.close()
    async with asyncio.timeout(5):
        while store.writer.failing:
            await asyncio.sleep(0.01)
    await store.writer.run(INSERT, row("b"))
    assert await names(store) == ["b"]


async def test_a_receiver_that_fails_harms_nobody(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    outcomes = Outcomes()

    def fail(_error: Exception | None) -> None:
        raise ValueError("a defect")

    store.writer.submit(INSERT, row("a"), fail)
    store.writer.submit(INSERT, row("b"), outcomes.of("b"))
    await store.writer.drain()
    assert outcomes.stored == ["b"]
    assert "a defect" in caplog.text


async def test_drain_waits_for_what_callbacks_submit(store: Store) -> None:
    outcomes = Outcomes()
    store.writer.submit(INSERT, row("a"), lambda _error: store.writer.submit(INSERT, row("b"), outcomes.of("b")))
    await store.writer.drain()
    assert outcomes.stored == ["b"]


async def test_a_cancelled_caller_harms_nobody(store: Store) -> None:
    task = asyncio.create_task(store.writer.run(INSERT, row("a")))
    await asyncio.sleep(0)
    task.cancel()
    await store.writer.drain()
    assert task.cancelled()
    assert await names(store) == ["a"]


async def test_nothing_is_taken_after_close(tmp_path: object, store: Store) -> None:
    await store.writer.run(INSERT, row("a"))
    await store.writer.close()
    await store.writer.close()
    with pytest.raises(WriterClosed):
        await store.writer.run(INSERT, row("b"))


async def test_readers_cannot_write(store: Store) -> None:
    with pytest.raises(SQLAlchemyError, match="readonly"):
        async with store.engine.begin() as connection:
            await connection.execute(INSERT, row("a"))

"""The store's migrations and SQL on MariaDB: one process on SQLite is the start, not the end."""

import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import URL, Connection, NullPool, create_engine, inspect, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from services.conftest import require
from xiaoer_server.chat.entries import Flags, Source
from xiaoer_server.chat.handoff import HandOffs
from xiaoer_server.chat.log import ConversationLog
from xiaoer_server.errors import NotFound
from xiaoer_server.store import entries, migrations, schema
from xiaoer_server.store.conversations import Conversations
from xiaoer_server.store.engine import encode_json
from xiaoer_server.store.handoffs import HandOff
from xiaoer_server.store.handoffs import HandOffs as HandOffRows
from xiaoer_server.store.keys import Keys
from xiaoer_server.store.tenants import Tenant, Tenants
from xiaoer_server.store.usage import Usage, UsageRecorder
from xiaoer_server.store.visitors import Visitors
from xiaoer_server.store.words import WordRow, Words
from xiaoer_server.store.writer import GroupWriter


class Store:
    """What the repositories use of `xiaoer_server.store.engine.Store`."""

    def __init__(self, engine: AsyncEngine, connection: Connection) -> None:
        self.engine = engine
        self.connection = connection
        self.writer = GroupWriter(connection)

    def before_close(self, _callback: Callable[[], None]) -> None:
        """The test drains by itself."""


def address(port: int, driver: str) -> URL:
    return URL.create(f"mysql+{driver}", "root", "", "127.0.0.1", port, "xiaoer", {"charset": "utf8mb4"})


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"mariadbd did not start:\n{log.read_text()}")


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server of our own; yields its port."""
    server = require("mariadbd", "mariadb-server")
    install = require("mariadb-install-db", "mariadb-server")
    folder = tmp_path_factory.mktemp("mariadb")
    data, log = folder / "data", folder / "log"
    options = ["--no-defaults", f"--datadir={data}", "--user=root"]
    subprocess.run(
        [install, *options, "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True,
        capture_output=True,
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [server, *options, f"--port={port}", "--bind-address=127.0.0.1", f"--socket={folder / 's'}"]
    command += [f"--pid-file={folder / 'pid'}", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M"]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            wait_for(port, process, log)
            yield port
        finally:
            process.terminate()


@pytest.fixture
async def store(mariadb: int) -> AsyncIterator[Store]:
    """An empty, migrated database."""
    server = create_engine(address(mariadb, "pymysql").set(database=""), poolclass=NullPool)
    with server.begin() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS xiaoer"))
        connection.execute(text("CREATE DATABASE xiaoer CHARACTER SET latin1"))  # ours must not depend on it
    writing = create_engine(
        address(mariadb, "pymysql"), poolclass=NullPool, paramstyle="format", json_serializer=encode_json
    )
    connection = writing.connect()
    with connection.begin():
        migrations.upgrade(connection)
    reading = create_async_engine(
        address(mariadb, "asyncmy"),
        json_serializer=encode_json,
        # As SQLite does without a transaction around: each statement sees what is committed.
        isolation_level="READ COMMITTED",
    )
    store = Store(reading, connection)
    yield store
    await store.writer.close()
    await reading.dispose()
    connection.close()


@pytest.fixture
async def tenants(store: Store) -> Tenants:
    tenants = Tenants(store)
    await tenants.ensure("demo", name="小二")
    await tenants.ensure("other", name="Other", allowed_sites=["https://other.example"], settings={"a": 1})
    return tenants


async def test_migrations_make_what_the_schema_says(store: Store) -> None:
    assert migrations.revision(store.connection) == migrations.head()

    def ours(_item: object, name: str | None, kind: str, *_: object) -> bool:
        return kind != "table" or name in schema.metadata.tables

    context = MigrationContext.configure(store.connection, opts={"include_object": ours, "compare_type": False})
    assert compare_metadata(context, schema.metadata) == []
    unique = inspect(store.connection).get_unique_constraints("entries")
    assert [found["column_names"] for found in unique] == [["tenant", "conversation", "client_id"]]
    store.connection.rollback()


@pytest.mark.usefixtures("tenants")
async def test_the_log(store: Store) -> None:
    log, visitors = ConversationLog(store), Visitors(store)
    visitor, mine = await visitors.create("demo", external_id="u1", profile={"name": "小二"})
    _, waiting = await visitors.create("demo")
    _, theirs = await visitors.create("other")
    assert await visitors.conversation_of("demo", visitor) == mine
    conversation = await log.open("demo", mine)
    for number in range(150):
        log.append(conversation, "visitor", f"问 😀 {number}", lambda *_: None, client_id=f"c{number}")
    answer = await log.begin_answer(conversation, "knowledge")
    answer.append("可以退货")
    await answer.finish("stop", [Source("退货", "/help/demo/returns")])
    await log.append_wait(conversation, "visitor", "x", flags=Flags("mask", ["w"]))
    cut = await log.begin_answer(conversation, "model:x")
    cut.append("half")
    await log.append_wait(await log.open("demo", waiting), "visitor", "anyone?")
    await log.append_wait(await log.open("other", theirs), "visitor", "no", flags=Flags("block", ["w"]))

    again = ConversationLog(store, tail=20)
    assert await again.recover() == [("demo", waiting)]
    reopened = await again.open("demo", mine)
    assert reopened.durable == 153
    assert [(entry.status, entry.finish_reason) for entry in reopened.recent(3)] == [
        ("complete", "stop"),
        ("complete", None),
        ("interrupted", "restart"),
    ]
    assert reopened.entry(151) == conversation.entry(151)
    assert await again.append_wait(reopened, "visitor", "again", client_id="c0") == 1
    page = await again.page("demo", mine, before=101, limit=50)
    assert [entry.text for entry in page] == [f"问 😀 {number}" for number in range(50, 100)]
    assert [entry.seq for entry in await again.range("demo", mine, after=0, limit=3)] == [1, 2, 3]
    with pytest.raises(NotFound):
        await again.open("other", mine)


@pytest.mark.usefixtures("tenants")
async def test_the_database_refuses_a_client_id_twice(store: Store) -> None:
    _, mine = await Visitors(store).create("demo")
    row: dict[str, object] = dict.fromkeys(entries.COLUMNS) | {
        "tenant": "demo",
        "conversation": mine,
        "role": "visitor",
        "text": "hi",
        "at": 1,
        "status": "complete",
    }
    outcome: list[str] = []
    for seq, client_id in ((1, "a"), (2, "b"), (3, "a"), (4, "A")):
        store.writer.submit(
            entries.INSERT,
            row | {"seq": seq, "client_id": client_id},
            lambda error: outcome.append(type(error).__name__),
        )
    await store.writer.drain()
    assert outcome == ["NoneType", "NoneType", "IntegrityError", "NoneType"]


async def test_tenants_words_and_marks(store: Store, tenants: Tenants) -> None:
    changed = await tenants.ensure("other", name="Renamed")
    assert changed == Tenant("other", "Renamed", [], {"a": 1})
    assert await tenants.all() == [Tenant("demo", "小二", [], {}), changed]
    words = Words(store)
    rows = [WordRow("Café", 2, "block", ["a"]), WordRow("cafe"), WordRow("赌博")]
    await words.replace("demo", rows)
    with pytest.raises(IntegrityError):
        await words.replace("demo", [WordRow("x"), WordRow("x")])
    assert await words.all("demo") == rows
    _, mine = await Visitors(store).create("demo")
    conversations = Conversations(store)
    for seq in (3, 2):
        conversations.mark_read("demo", mine, seq)
        conversations._flush()
    await store.writer.drain()
    assert await conversations.read_seq("demo", mine) == 3
    with pytest.raises(NotFound):
        await Visitors(store).create("none")


async def test_a_statement_that_makes_no_sense_fails_alone(store: Store) -> None:
    with pytest.raises((IntegrityError, OperationalError)):
        await store.writer.run(text("INSERT INTO visitors VALUES ('none', 'v', NULL, NULL, 1)"), {})
    await Tenants(store).ensure("demo", name="Demo")


@pytest.mark.usefixtures("tenants")
async def test_keys_and_what_was_used_with_them(store: Store) -> None:
    keys, recorder = Keys(store), UsageRecorder(store)  # type: ignore[arg-type]
    secret, key = await keys.create("demo", "前台", models=["模型"], budget=1.5, tokens_per_minute=10**9)
    _, other = await keys.create("other", "b")
    assert await keys.all("demo") == [key]
    assert await keys.revoke(other.id)
    assert not await keys.revoke(other.id)
    assert [found.id for _, found in await keys.hashes()] == [key.id, other.id]
    for round_ in range(3):
        for number in range(300):  # more than one, so that the prepared statement is used
            recorder.record("demo", key.id, f"m{number % 150}", "p", prompt=round_, cost=0.000_000_001)
        recorder.record("other", "", "模型", "p", completion=5)
        await recorder.flush()
    assert await recorder.spent() == {key.id: 0.000_000_9}
    rows = await recorder.report(0, 1e11)
    assert len(rows) == 151
    assert rows[0] == Usage("demo", key.id, "m0", "p", 6, 0, 0, 6, 0, 0.000_000_006)
    assert rows[-1] == Usage("other", "", "模型", "p", 3, 0, 0, 0, 15, 0.0)
    await recorder.close()
    await store.writer.drain()
    assert [found.used_at is not None for found in await keys.all()] == [True, False]
    assert secret not in repr(await keys.hashes())


@pytest.mark.usefixtures("tenants")
async def test_hand_offs(store: Store) -> None:
    log = ConversationLog(store)
    _, mine = await Visitors(store).create("demo")
    handoffs = HandOffs(store, log)
    await handoffs.load()
    first = await handoffs.hand_over(await log.open("demo", mine), "timeout", "zh")
    again = HandOffs(store, ConversationLog(store))
    await again.load()
    assert again.find("demo", mine) == first
    assert first.told is True
    assert await again.set_state("demo", mine, "done")
    second = await again.hand_over(await log.open("demo", mine), "open", "en")
    assert (first.number, second.number) == (1, 2)
    with pytest.raises(IntegrityError):
        await HandOffRows(store).insert(HandOff("demo", "other-id", mine, 2, "open", "en", "waiting", 5))

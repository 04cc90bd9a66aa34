"""Opening the store: folder, lock, migrations."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from xiaoer_server.store import migrations, schema
from xiaoer_server.store.engine import Store, StoreLocked, StoreTooNew
from xiaoer_server.store.tenants import Tenants


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask() -> None:
    os.umask(0o022)


@pytest.mark.usefixtures("umask")
async def test_nobody_else_may_read(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    store = await Store.open(folder)
    await Tenants(store).ensure("demo", name="Demo")
    assert mode(folder) == 0o700
    files = {path.name: mode(path) for path in folder.iterdir()}
    assert files.keys() == {"lock", "xiaoer.db", "xiaoer.db-wal", "xiaoer.db-shm"}
    assert set(files.values()) == {0o600}
    await store.close()


async def test_a_folder_that_was_there_is_closed_unless_others_live_in_it(tmp_path: Path) -> None:
    mounted, shared = tmp_path / "mounted", tmp_path / "shared"
    for folder in (mounted, shared):
        folder.mkdir()
        folder.chmod(0o755)
    (shared / "somebody's.txt").touch()
    for folder in (mounted, shared):
        await (await Store.open(folder)).close()
    assert mode(mounted) == 0o700
    assert mode(shared) == 0o755
    assert mode(shared / "xiaoer.db") == 0o600


async def test_one_process_at_a_time(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    with pytest.raises(StoreLocked, match=rf"pid {os.getpid()}.*--data"):
        await Store.open(tmp_path)
    await store.close()
    await (await Store.open(tmp_path)).close()


async def test_what_was_stored_is_there_again(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await Tenants(store).ensure("demo", name="Demo")
    await store.close()
    store = await Store.open(tmp_path)
    assert [tenant.id for tenant in await Tenants(store).all()] == ["demo"]
    await store.close()


async def test_durability_is_on(store: Store) -> None:
    pragma = store._connection.exec_driver_sql
    assert pragma("PRAGMA journal_mode").scalar_one() == "wal"
    assert pragma("PRAGMA synchronous").scalar_one() == 2  # FULL: every commit is fsynced
    assert pragma("PRAGMA foreign_keys").scalar_one() == 1
    store._connection.rollback()


async def test_migrations_make_what_the_schema_says(store: Store) -> None:
    def ours(_item: object, name: str | None, kind: str, *_: object) -> bool:
        if kind == "unique_constraint" and name == "uq_entries_tenant_conversation_client_id":
            return False  # SQLite goes without; Alembic does not see the condition
        # What a migration makes by SQL of its own (a full-text index) has no Table.
        return kind != "table" or name in schema.metadata.tables

    context = MigrationContext.configure(store._connection, opts={"include_object": ours})
    assert compare_metadata(context, schema.metadata) == []
    store._connection.rollback()


async def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    store = await Store.open(tmp_path)
    await store.writer.run(text("UPDATE alembic_version SET version_num = '9999'"), {})
    await store.close()
    with pytest.raises(StoreTooNew, match="9999"):
        await Store.open(tmp_path)
    # and the lock was let go
    with pytest.raises(StoreTooNew):
        await Store.open(tmp_path)


async def test_a_failed_migration_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade = migrations.upgrade

    def fail(*arguments: object) -> None:
        upgrade(*arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(migrations, "upgrade", fail)
    with pytest.raises(KeyboardInterrupt):
        await Store.open(tmp_path)
    monkeypatch.undo()
    await (await Store.open(tmp_path)).close()


async def test_alembic_is_not_imported_when_nothing_is_to_do(tmp_path: Path) -> None:
    await (await Store.open(tmp_path)).close()
    script = (
        "import asyncio, sys; from pathlib import Path; from xiaoer_server.store.engine import Store\n"
        "async def main(): await (await Store.open(Path(sys.argv[1]))).close()\n"
        "asyncio.run(main()); sys.exit('alembic' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)

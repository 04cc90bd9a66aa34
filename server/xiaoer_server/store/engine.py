"""Opening and closing the store: a folder with one SQLite database, one writer and a few readers."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from . import migrations
from .writer import GroupWriter

DATABASE, LOCK = "xiaoer.db", "lock"

#: Readers at a time; each is a connection with a thread of its own.
READERS = 4

#: SQLite copies the write-ahead log into the database when it has this many pages of 4 KiB. The default, 1,000,
#: does it ten times a second under load; more than this makes the next start slow.
CHECKPOINT_PAGES = 4000

BUSY_MILLISECONDS = 5000

#: Writes a number in the database's header that nothing reads.
PROBE = text("PRAGMA user_version = 1")


class StoreError(Exception):
    """The store cannot be opened. The message is one line for the operator."""


class StoreLocked(StoreError):
    """Another process has the data folder open."""


class StoreTooNew(StoreError):
    """A newer version of the program wrote this database."""


class StoreDamaged(StoreError):
    """SQLite cannot read the database."""


class Store:
    """The database of one process.

    `engine` is for reading: its connections refuse to write. All writes go through `writer`, and are visible to
    readers from the commit of their group on.
    """

    def __init__(self, folder: Path, lock: int, writing: Engine, connection: Connection) -> None:
        self.folder = folder
        self.engine = _readers(folder / DATABASE)
        self.writer = GroupWriter(connection, PROBE)
        self._lock = lock
        self._writing = writing
        self._connection = connection
        self._closed = False
        self._before_close: list[Callable[[], None]] = []

    @classmethod
    async def open(cls, data_dir: Path) -> Store:
        """Open the store in `data_dir`; make it, or bring its tables up to date, where needed.

        The folder is made with mode 0700, its files with 0600.

        Raises:
            StoreLocked: another process has it open.
            StoreTooNew: the database is of a newer version.
            StoreDamaged: the database cannot be read.
            OSError: the folder cannot be made or written.
        """
        return cls(data_dir, *await asyncio.to_thread(_open, data_dir))

    def before_close(self, callback: Callable[[], None]) -> None:
        """Have `callback` submit what it has put off until now when the store closes."""
        self._before_close.append(callback)

    async def close(self) -> None:
        """Commit what was submitted, close the connections, and let the folder go. May be called twice."""
        if self._closed:
            return
        self._closed = True
        for callback in self._before_close:
            callback()
        await self.writer.close()
        await self.engine.dispose()
        self._connection.close()
        self._writing.dispose()
        os.close(self._lock)


def _open(folder: Path) -> tuple[int, Engine, Connection]:
    _make_folder(folder)
    lock = _take_lock(folder)
    try:
        database = folder / DATABASE
        # SQLite gives the files beside the database (-wal, -shm) the same mode as the database itself.
        os.close(os.open(database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        database.chmod(0o600)
        writing = _writing(database)
        connection = writing.connect()
        try:
            _migrate(connection, folder)
        except BaseException:
            connection.close()
            writing.dispose()
            raise
    except DatabaseError as error:
        os.close(lock)
        raise StoreDamaged(
            f"data folder {folder}: {DATABASE} cannot be opened: {error.orig}; "
            "put a backup in its place or choose another folder with --data"
        ) from error
    except BaseException:
        os.close(lock)
        raise
    return lock, writing, connection


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    # A folder that was there, as a mounted volume is, is made ours only where nothing else lives in it.
    if (folder / LOCK).exists() or not any(folder.iterdir()):
        folder.chmod(0o700)


def _take_lock(folder: Path) -> int:
    """The descriptor that holds the lock; the kernel lets it go however the process ends."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 20).decode("ascii", "replace").strip() or "unknown"
        os.close(lock)
        raise StoreLocked(
            f"data folder {folder}: another xiaoer process (pid {holder}) has it open; "
            "stop that one or choose another folder with --data"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _migrate(connection: Connection, folder: Path) -> None:
    head = migrations.head()
    with connection.begin():
        current = migrations.revision(connection)
        if current == head:
            return
        if current is not None and current > head:
            raise StoreTooNew(
                f"data folder {folder}: its database is at revision {current}, this version of xiaoer knows "
                f"revisions up to {head}; start a version at least as new as the one that wrote it"
            )
        migrations.upgrade(connection)


def _writing(database: Path) -> Engine:
    # The driver's own transaction handling commits behind one's back before DDL; so it is switched off, and
    # SQLAlchemy's begin is made to say BEGIN.
    engine = create_engine(
        f"sqlite:///{database}",
        poolclass=NullPool,
        connect_args={"check_same_thread": False, "isolation_level": None},
        json_serializer=encode_json,
        json_deserializer=msgspec.json.decode,
        hide_parameters=True,  # errors are logged, and what visitors write is none of the log's business
    )

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _record: object) -> None:
        _pragmas(
            connection,
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            f"busy_timeout = {BUSY_MILLISECONDS}",
            f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
            # After a burst the log file is cut back to this size.
            f"journal_size_limit = {CHECKPOINT_PAGES * 4096}",
            "cache_size = -32768",
            # What an INSERT of many rows needs to be undone stays out of temporary files.
            "temp_store = MEMORY",
        )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _readers(database: Path) -> AsyncEngine:
    engine = create_async_engine(
        f"sqlite+aiosqlite:///{database}",
        pool_size=READERS,
        max_overflow=0,
        json_serializer=encode_json,
        json_deserializer=msgspec.json.decode,
        hide_parameters=True,  # errors are logged, and what visitors write is none of the log's business
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _set_up(connection: Any, _record: object) -> None:
        _pragmas(connection, "query_only = ON", f"busy_timeout = {BUSY_MILLISECONDS}")

    return engine


def _pragmas(connection: Any, *pragmas: str) -> None:
    cursor = connection.cursor()
    for pragma in pragmas:
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def encode_json(value: object) -> str:
    """What the JSON columns store; takes msgspec Structs too."""
    return msgspec.json.encode(value).decode()

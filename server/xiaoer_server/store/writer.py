"""The one writer: gathers what the loop submits and commits it in groups.

Durability costs one fsync a group instead of one a row, and the loop one wake-up a group instead of one a row.
The SQL runs in a thread of its own on a synchronous Core connection: an await per statement would cost more
than the statement.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, Executable
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError

from .prepared import Prepared

log = logging.getLogger(__name__)

Done = Callable[[Exception | None], None]

#: A group closes at this many operations, or this many seconds after its first one.
GROUP_SIZE, GROUP_SECONDS = 500, 0.005

#: After a failed group the store is tried this often, in seconds, until something can be committed again.
PROBE_SECONDS = 1.0


class Operation(NamedTuple):
    """Something that is committed whole or not at all; more than one step only from `GroupWriter.together`."""

    steps: Sequence[tuple[Executable, Mapping[str, object]]]
    done: Done
    chain: object


class WriterClosed(Exception):
    """Something was submitted after `close`."""


class GroupWriter:
    """Commits submitted operations in groups, in the order of submission.

    While one group commits, the next gathers; a group whose 5 ms are over goes on gathering until the thread is
    free. When a group fails, because the disk is full for example, its operations and all that were waiting get
    the exception: they may build on one another. The writer then goes on with what is submitted afterwards. An
    operation that the database refuses by itself (a constraint, a value it cannot take) fails alone, together
    with the waiting ones of its chain.

    Args:
        connection: Used by the writer's thread only, from now until `close` has returned.
        probe: A statement that writes and changes nothing; finds out whether a store that failed works again.
            Without one that is left to the next who writes.
    """

    def __init__(self, connection: Connection, probe: Executable | None = None) -> None:
        self._connection = connection
        self._probe = probe
        self._failing = False
        self._next_probe: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._gathering: list[Operation] = []
        self._waiting: deque[list[Operation]] = deque()
        self._busy = False
        self._due = False
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._groups: queue.SimpleQueue[list[Operation] | None] = queue.SimpleQueue()
        self._prepared: dict[Executable, Prepared] = {}
        self._thread = threading.Thread(target=self._work, name="xiaoer-writer", daemon=True)
        self._thread.start()

    # -- on the loop ------------------------------------------------------------------------------------------

    def submit(
        self, statement: Executable, parameters: Mapping[str, object], done: Done, *, chain: object = None
    ) -> None:
        """Queue one statement; `done` runs on the loop once its group is durable, or with what went wrong.

        Statements that are used often should be one object each: consecutive ones that are the same object are
        executed as one. `parameters` must not be changed afterwards. Operations of the same `chain` (compared by
        equality) stand and fall together: after a failed one none that was submitted before `done` told of the
        failure is carried out.

        Raises:
            WriterClosed: `close` was called.
        """
        self._add(Operation(((statement, parameters),), done, chain))

    async def run(self, statement: Executable, parameters: Mapping[str, object]) -> None:
        """Execute one statement and return once it is durable.

        Raises:
            SQLAlchemyError: what the database said; nothing of the statement is stored.
        """
        await self.together([(statement, parameters)])

    async def together(self, steps: Iterable[tuple[Executable, Mapping[str, object]]]) -> None:
        """Execute several statements in one transaction and return once they are durable.

        Raises:
            SQLAlchemyError: what the database said; nothing of the statements is stored.
        """
        future: asyncio.Future[None] = self._loop.create_future()

        def done(error: Exception | None) -> None:
            if future.cancelled():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        self._add(Operation(list(steps), done, None))
        await future

    @property
    def failing(self) -> bool:
        """Whether the last group could not be committed. Ends by itself once the store takes something again."""
        return self._failing

    async def drain(self) -> None:
        """Return once everything submitted so far, and what its callbacks submit, is durable or has failed."""
        while not self._idle.is_set():
            self._due = True
            self._start()
            await self._idle.wait()

    async def close(self) -> None:
        """Commit what is there and end the thread."""
        if not self._closed:
            await self.drain()
            self._closed = True
            self._groups.put(None)
        # The thread ends at once; there is nothing left that it could wait for.
        self._thread.join()

    def _add(self, operation: Operation) -> None:
        if self._closed:
            raise WriterClosed("The store is closed.")
        gathering = self._gathering
        gathering.append(operation)
        count = len(gathering)
        if count == 1:
            self._idle.clear()
            self._timer = self._loop.call_later(GROUP_SECONDS, self._is_due)
        elif count >= GROUP_SIZE:
            self._close_group()
            self._start()

    def _is_due(self) -> None:
        self._due = True
        self._start()

    def _close_group(self) -> None:
        if self._gathering:
            self._waiting.append(self._gathering)
            self._gathering = []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._due = False

    def _start(self) -> None:
        """Give the thread its next group, if it is free and there is one."""
        if self._busy:
            return
        if not self._waiting and self._due:
            self._close_group()
        if self._waiting:
            self._busy = True
            self._groups.put(self._waiting.popleft())

    def _finished(self, group: list[Operation], error: Exception | None, refused: dict[int, Exception]) -> None:
        """The thread is through with a group: start the next one, then tell."""
        self._busy = False
        self._failing = error is not None
        failed: list[tuple[Operation, Exception]] = []
        if error is not None:
            if self._next_probe is None:
                self._next_probe = self._loop.call_later(PROBE_SECONDS, self._try_again)
            self._close_group()
            failed = [(operation, error) for other in self._waiting for operation in other]
            self._waiting.clear()
        elif refused:
            failed = self._fail_chains({group[at].chain: why for at, why in refused.items()})
        self._start()
        for at, operation in enumerate(group):
            self._tell(operation, error or refused.get(at))
        for operation, why in failed:
            self._tell(operation, why)
        if not (self._busy or self._waiting or self._gathering):
            self._idle.set()

    def _try_again(self) -> None:
        self._next_probe = None
        if self._probe is None:
            self._failing = False
        elif self._failing and not self._closed and self._idle.is_set():
            self.submit(self._probe, {}, lambda _error: None)

    def _tell(self, operation: Operation, error: Exception | None) -> None:
        try:
            operation.done(error)
        except Exception:
            log.exception("the receiver of a commit failed")

    def _fail_chains(self, broken: dict[object, Exception]) -> list[tuple[Operation, Exception]]:
        """Take what waits and belongs to a broken chain out of the way."""
        broken.pop(None, None)
        failed: list[tuple[Operation, Exception]] = []
        if broken:
            for group in (*self._waiting, self._gathering):
                failed += [(operation, broken[operation.chain]) for operation in group if operation.chain in broken]
                group[:] = [operation for operation in group if operation.chain not in broken]
        return failed

    # -- in the thread ----------------------------------------------------------------------------------------

    def _work(self) -> None:
        while (group := self._groups.get()) is not None:
            error: Exception | None = None
            refused: dict[int, Exception] = {}
            try:
                refused = self._commit(group)
            except Exception as caught:
                log.error("a group of %d could not be committed: %s", len(group), caught)
                error = caught
            self._loop.call_soon_threadsafe(self._finished, group, error, refused)
            del group, error, refused  # waiting for the next one must not keep this one's conversations in memory

    def _commit(self, group: list[Operation]) -> dict[int, Exception]:
        """Commit a group; returns which of its operations were refused, and why."""
        try:
            with self._connection.begin():
                self._execute_runs(group)
        except Exception as error:
            if _concerns_all(error):
                raise
        else:
            return {}
        # One of them is at fault: find out which, the rest shall not suffer.
        with self._connection.begin():
            return self._execute_singly(group)

    def _execute_runs(self, group: list[Operation]) -> None:
        """Execute in order, neighbours with the same statement at once."""
        run: list[Mapping[str, object]] = []
        current: Executable | None = None
        for operation in group:
            for statement, parameters in operation.steps:
                if statement is not current:
                    if current is not None:
                        self._execute(current, run)
                    current = statement
                    run = []
                run.append(parameters)
        if current is not None:
            self._execute(current, run)

    def _execute_singly(self, group: list[Operation]) -> dict[int, Exception]:
        refused: dict[int, Exception] = {}
        broken: dict[object, Exception] = {}
        for at, operation in enumerate(group):
            if operation.chain in broken:
                refused[at] = broken[operation.chain]
                continue
            try:
                with self._connection.begin_nested():
                    for statement, parameters in operation.steps:
                        self._connection.execute(statement, parameters)
            except Exception as error:
                if _concerns_all(error):
                    raise
                refused[at] = error
                if operation.chain is not None:
                    broken[operation.chain] = error
        return refused

    def _execute(self, statement: Executable, rows: list[Mapping[str, object]]) -> None:
        if len(rows) == 1:
            self._connection.execute(statement, rows[0])
            return
        prepared = self._prepared.get(statement)
        if prepared is None:
            if len(self._prepared) >= 100:  # somebody makes a new statement each time; keep no more of them
                self._prepared.clear()
            prepared = self._prepared[statement] = Prepared(statement, rows[0].keys(), self._connection.dialect)
        prepared.execute_many(self._connection, rows)


def _concerns_all(error: Exception) -> bool:
    """Whether the database itself is in trouble, rather than one operation wrong."""
    # SQLite says DatabaseError itself, none of its kinds, of a file that is damaged.
    return (
        isinstance(error, OperationalError)
        or type(error) is DatabaseError
        or (isinstance(error, DBAPIError) and error.connection_invalidated)
    )

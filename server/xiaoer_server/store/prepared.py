"""A Core statement compiled once and executed many times."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import JSON, Connection, Dialect, Executable, Insert, Integer, String
from sqlalchemy.sql.compiler import SQLCompiler

#: How many rows one INSERT takes. Each call of the driver lets the interpreter's lock go and must get it back, which
#: beside a busy loop takes longer than the insert; so a group makes few calls.
BLOCKS = (64, 32, 16, 8, 4, 2)


class Prepared:
    """Turns rows of named parameters into what the driver takes, without Core's work per row.

    `Connection.execute` with a list costs 9 µs a row before SQLite sees it, this costs 4. Statements that Core
    must help on the way (column defaults, expanding parameters, types of other kinds) go the usual way.

    Args:
        names: The parameters' names, the same in every row.
    """

    __slots__ = ("_blocks", "_convert", "_count", "_pick", "_statement", "_text")

    def __init__(self, statement: Executable, names: Collection[str], dialect: Dialect) -> None:
        self._statement = statement
        self._count = len(names)
        self._convert: list[tuple[int, Callable[[Any], Any]]] = []
        self._pick: Callable[[Mapping[str, object]], tuple[object, ...]] | None = None
        self._text = ""
        self._blocks: list[tuple[int, str]] = []
        compiled = statement.compile(dialect=dialect, column_keys=list(names))  # type: ignore[attr-defined]
        assert isinstance(compiled, SQLCompiler)
        if not _plain(compiled, names):
            return
        order = compiled.positiontup
        assert order is not None
        self._text = compiled.string
        self._pick = itemgetter(*order) if len(order) > 1 else lambda row, name=order[0]: (row[name],)
        for at, name in enumerate(order):
            processor = compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)
            if processor is not None:
                self._convert.append((at, processor))
        if isinstance(statement, Insert):
            self._blocks = _blocks(self._text, len(order), dialect)

    def execute_many(self, connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
        """Execute the statement once for each row, in order."""
        count = self._count
        if self._pick is None or any(len(row) != count for row in rows):
            for row in rows:
                connection.execute(self._statement, row)
            return
        pick = self._pick
        picked = [pick(row) for row in rows]
        if self._convert:
            picked = [self._converted(row) for row in picked]
        at = 0
        for size, text in self._blocks:
            while len(picked) - at >= size:
                connection.exec_driver_sql(text, tuple(chain.from_iterable(picked[at : at + size])))
                at += size
        if at < len(picked):
            connection.exec_driver_sql(self._text, picked[at:])

    def _converted(self, row: tuple[object, ...]) -> tuple[object, ...]:
        values: list[object] | None = None
        for at, processor in self._convert:
            if row[at] is not None:
                values = values or list(row)
                values[at] = processor(row[at])
        return row if values is None else tuple(values)


def _blocks(text: str, columns: int, dialect: Dialect) -> list[tuple[int, str]]:
    """The same INSERT for several rows, where its VALUES are nothing but one row of placeholders."""
    mark = {"qmark": "?", "format": "%s"}.get(dialect.paramstyle)
    if mark is None:
        return []
    row = f"({', '.join([mark] * columns)})"
    if not text.endswith(f" VALUES {row}"):
        return []
    return [(size, text + f", {row}" * (size - 1)) for size in BLOCKS]


def _plain(compiled: SQLCompiler, names: Collection[str]) -> bool:
    order = compiled.positiontup
    if not order or set(order) != set(names) or compiled.insert_prefetch or compiled.update_prefetch:
        return False
    return all(
        isinstance(kind, String | Integer) or (isinstance(kind, JSON) and kind.none_as_null)
        for kind in (compiled.binds[name].type for name in order)
    )

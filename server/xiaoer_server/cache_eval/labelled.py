"""Files of labelled pairs: two questions, and whether the answer to one answers the other."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

_NAMES_A = ("text_a", "sentence1", "question1", "text1", "first", "a", "query1")
_NAMES_B = ("text_b", "sentence2", "question2", "text2", "second", "b", "query2")
_NAMES_LABEL = ("label", "same", "is_duplicate", "score")
_TRUE, _FALSE = frozenset(("1", "1.0", "true", "yes", "same")), frozenset(("0", "0.0", "false", "no", "different"))

#: Characters of a line; a longer one is no question.
LONGEST_LINE = 1_048_576


class LabelledPair(NamedTuple):
    """Two questions and whether they ask for the same."""

    first: str
    second: str
    same: bool


class PairsFileError(Exception):
    """A file that holds no labelled pairs; the message names the place."""


def read(path: Path, *, limit: int = 0, seed: int = 0) -> list[LabelledPair]:
    """Read .tsv, .csv (with or without a header) or .jsonl: columns text_a, text_b, label (1 or 0).

    Args:
        limit: Draw so many by `seed`, in the file's order; 0 takes all.

    Raises:
        PairsFileError: the file cannot be read, has a line that is no pair, or no pairs at all.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = _json_rows(path, file) if path.suffix in (".jsonl", ".json") else _table_rows(path, file)
            pairs = [_pair(path, number, *row) for number, row in rows]
    except OSError as error:
        raise PairsFileError(f"{path}: cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise PairsFileError(f"{path}: is not a UTF-8 table: {error}") from error
    if not pairs:
        raise PairsFileError(f"{path}: holds no pairs")
    if limit and limit < len(pairs):
        kept = sorted(random.Random(seed).sample(range(len(pairs)), limit))  # noqa: S311
        pairs = [pairs[index] for index in kept]
    return pairs


def _json_rows(path: Path, lines: Iterator[str]) -> Iterator[tuple[int, tuple[str, str, str]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line[:LONGEST_LINE])
            yield number, (_of(row, _NAMES_A), _of(row, _NAMES_B), _of(row, _NAMES_LABEL))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise PairsFileError(f"{path}:{number}: is no object with text_a, text_b and label") from None


def _table_rows(path: Path, lines: Iterator[str]) -> Iterator[tuple[int, tuple[str, str, str]]]:
    table = csv.reader(lines, delimiter="," if path.suffix == ".csv" else "\t", quoting=_quoting(path))
    columns = (0, 1, 2)
    for number, row in enumerate(table, 1):
        if not row:
            continue
        if number == 1 and (header := _header(row)) is not None:
            columns = header
            continue
        if len(row) <= max(columns):
            raise PairsFileError(f"{path}:{number}: has {len(row)} columns; text_a, text_b and label are needed")
        yield number, (row[columns[0]], row[columns[1]], row[columns[2]])


def _quoting(path: Path) -> Literal[0, 3]:
    # csv's QUOTE_MINIMAL or QUOTE_NONE: a tab-separated question may begin with a quotation mark that nothing closes.
    return 0 if path.suffix == ".csv" else 3


def _header(row: list[str]) -> tuple[int, int, int] | None:
    names = [name.strip().lower() for name in row]
    found = [next((names.index(name) for name in known if name in names), -1) for known in _COLUMNS]
    return None if -1 in found else (found[0], found[1], found[2])


_COLUMNS = (_NAMES_A, _NAMES_B, _NAMES_LABEL)


def _of(row: dict[str, object], names: tuple[str, ...]) -> str:
    return str(row[next((name for name in names if name in row), names[0])])


def _pair(path: Path, number: int, first: str, second: str, label: str) -> LabelledPair:
    said = label.strip().lower()
    if said not in _TRUE | _FALSE:
        raise PairsFileError(f"{path}:{number}: the label is {label[:40]!r}; allowed: 1 or 0")
    return LabelledPair(first.strip(), second.strip(), said in _TRUE)

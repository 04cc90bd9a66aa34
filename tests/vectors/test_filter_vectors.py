"""Match tables of other people's Aho-Corasick automata, and Unicode's case folding, on both backends.

The tables are data in `tests/data`, each with its source, its licence and what of it is left out. The filter runs on
them without foldings, noise and word boundaries, as the plain automaton that theirs are.
"""

import json
import unicodedata
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

DATA = Path(__file__).parents[1] / "data"
TABLES = ("aho_corasick", "daachorse", "pyahocorasick")
# In no pattern and no text of the tables: one of each storage width, so that every case is seen in all that are wider.
PADDINGS = "ÿ丁\U00020001"
# Around the widths of vector registers and of the blocks made of them, in characters of one, two and four bytes.
OFFSETS = (1, 3, 7, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128)

Spans = list[tuple[int, int, str]]


class Vector(NamedTuple):
    """A case of a table. A match is [number of the pattern, start, end]."""

    group: str
    patterns: list[str]
    text: str
    matches: list[tuple[int, int, int]]

    def spans(self) -> Spans:
        """The matches as the filter tells them: equal patterns are one word."""
        return sorted({(start, end, self.patterns[number]) for number, start, end in self.matches})


def lines(name: str) -> list[str]:
    return [line for line in (DATA / name).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


def vectors() -> dict[str, Vector]:
    rows = [(table, *line.split("\t")) for table in TABLES for line in lines(f"{table}_matches.tsv")]
    named = {
        f"{table} {name} ({group})": Vector(group, *(json.loads(field) for field in fields))
        for table, group, name, *fields in rows
    }
    assert len(named) == len(rows), "two cases have one name"
    return named


VECTORS = vectors()
cases = pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS.keys())


def filter_of(xiaoer: ModuleType, vector: Vector) -> Any:
    fold = xiaoer.Fold.CASE if vector.group.startswith("case-") else xiaoer.Fold.NONE
    return xiaoer.WordFilter(vector.patterns, fold=fold, skip=None, whole_words=False)


def seen(matches: list[Any]) -> Spans:
    return sorted((match.start, match.end, match.word.text) for match in matches)


def check(words: Any, vector: Vector, text: str, expected: Spans) -> None:
    group = vector.group.removeprefix("case-")
    if group != vector.group:
        # Patterns that differ only in case are one word to the filter; which of them it names is its own affair.
        expected = sorted({(start, end, word.casefold()) for start, end, word in expected})

    def found(matches: list[Any]) -> Spans:
        spans = seen(matches)
        return spans if group == vector.group else [(start, end, word.casefold()) for start, end, word in spans]

    assert words.contains(text) is bool(expected)
    if group in ("both", "overlapping"):
        assert found(words.find_overlapping(text)) == expected
    if group in ("both", "longest"):
        assert found(words.find(text)) == expected
        masked = list(text)
        for start, end, _ in expected:
            masked[start:end] = "\0" * (end - start)
        assert words.replace(text, "\0") == "".join(masked)


@cases
def test_matches(xiaoer: ModuleType, vector: Vector) -> None:
    check(filter_of(xiaoer, vector), vector, vector.text, vector.spans())


@cases
def test_matches_behind_and_before_other_text(xiaoer: ModuleType, vector: Vector) -> None:
    words = filter_of(xiaoer, vector)
    for padding, offset in product(PADDINGS, OFFSETS):
        around = padding * offset
        shifted = [(start + offset, end + offset, word) for start, end, word in vector.spans()]
        check(words, vector, around + vector.text + around, shifted)


@cases
def test_matches_in_a_stream_cut_anywhere(xiaoer: ModuleType, vector: Vector) -> None:
    words = filter_of(xiaoer, vector)
    stream = words.stream("\0")
    whole = words.replace(vector.text, "\0")
    for cut in range(len(vector.text) + 1):
        assert stream.feed(vector.text[:cut]) + stream.feed(vector.text[cut:]) + stream.flush() == whole
    assert "".join(map(stream.feed, vector.text)) + stream.flush() == whole


@cases
def test_matches_of_words_that_came_and_went(xiaoer: ModuleType, vector: Vector, tmp_path: Path) -> None:
    words = filter_of(xiaoer, vector)
    # Others share their beginnings and are gone again; half of the words come late; all of that through a file.
    words.add([pattern + "ÿ" for pattern in vector.patterns] + ["ÿ" + pattern for pattern in vector.patterns])
    words.remove(vector.patterns[::2])
    words.save(tmp_path / "words")
    words = xiaoer.WordFilter.load(tmp_path / "words")
    words.add(vector.patterns)
    words.remove([pattern + "ÿ" for pattern in vector.patterns] + ["ÿ" + pattern for pattern in vector.patterns])
    check(words, vector, vector.text, vector.spans())


def test_case_folding_of_all_characters_that_unicode_3_2_knows(xiaoer: ModuleType) -> None:
    pairs = [line.split() for line in lines("case_folding.txt")]
    folds = {chr(int(source, 16)): chr(int(target, 16)) for source, _, target in pairs}
    # Without ideographs, Hangul syllables, surrogates and private use, which have no case; but for their ends.
    points = [*range(0x3402), *range(0x9FA0, 0xAC02), *range(0xD7A0, 0xD802), *range(0xF8FE, 0x1E000)]
    young = "\u1fd3\u1fe3\ufb05"  # their simple folding is of Unicode 15.1
    known = (chr(point) for point in points if unicodedata.ucd_3_2_0.category(chr(point)) != "Cn")
    text = "".join(char for char in known if char not in young)
    assert folds.keys() <= set(text)
    expected = [folds.get(char, char) for char in text]
    words = xiaoer.WordFilter(sorted(set(expected)), fold=xiaoer.Fold.CASE, skip=None, whole_words=False)
    assert [match.word.text for match in words.find(text)] == expected

"""The filter: clean, early, dense and hostile texts, by kind, length and number of words.

Every figure's results are compared first with what trying every place and length gives.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import pytest

from benches.measure import Row, Stopwatch
from benches.peers.filter import Filter, Reports, Scanner, expected
from benches.peers.filters import FILTERS, built
from benches.texts import HOSTILE, KINDS, clean_texts, dense_texts, early_texts, fresh, hostile_texts, hostile_words
from benches.words import make_words

LENGTHS = (20, 100, 10_000)
MIDDLE = 10_000
"""Words in the list where another thing is varied."""


class Case(NamedTuple):
    """One row of the table."""

    texts: str
    kind: str
    length: int
    words: int
    question: Literal["contains", "find"]

    @property
    def name(self) -> str:
        return f"{self.question}, {self.texts}, {self.kind}, {self.length:,} characters, {self.words:,} words"


def _cases() -> Iterator[Case]:
    for count in (100, 1_000):
        for length in (20, 10_000):
            yield Case("clean", "chinese", length, count, "contains")
    for kind in KINDS:
        for length in LENGTHS:
            yield Case("clean", kind, length, MIDDLE, "contains")
    for length in LENGTHS:
        yield Case("early hit", "chinese", length, MIDDLE, "contains")
        yield Case("dense", "chinese", length, MIDDLE, "find")
    for kind in KINDS[1:]:
        yield Case("dense", kind, 10_000, MIDDLE, "find")
    yield Case("clean", "chinese", 10_000, MIDDLE, "find")
    for hostile in HOSTILE:
        yield Case(hostile, "chinese", 10_000, MIDDLE, "find")
    for count in (100_000, 1_000_000):
        for length in (20, 10_000):
            yield Case("clean", "chinese", length, count, "contains")
        yield Case("dense", "chinese", 10_000, count, "find")


QUICK = [
    Case("clean", "chinese", 20, 100, "contains"),
    Case("early hit", "chinese", 20, 100, "contains"),
    Case("clean", "emoji", 100, 100, "contains"),
    Case("dense", "english", 100, 100, "find"),
    *(Case(hostile, "chinese", 100, 1_000, "find") for hostile in HOSTILE),
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    quick = metafunc.config.getoption("quick")
    most = metafunc.config.getoption("most_words")
    cases = [case for case in (QUICK if quick else _cases()) if case.words <= most]
    pairs = [(case, filter_) for case in cases for filter_ in FILTERS]
    metafunc.parametrize(("case", "implementation"), pairs, ids=[f"{case.name}: {each.name}" for case, each in pairs])


def test_filter(case: Case, implementation: Filter, stopwatch: Stopwatch) -> None:
    if case.words > implementation.most_words:
        pytest.skip(f"{implementation.name}: {implementation.why_not_more}")
    texts = _texts(case)
    scanner = built(implementation, _words(case))
    _check(scanner, case, texts)
    if case.texts == "clean":
        # An unexpected hit, by some folding, would end the search early.
        assert not any(map(scanner.contains, texts))
    row = Row(
        "filter",
        case.name,
        implementation.name,
        size=len(texts[0]),
        unit="characters",
        comparable=implementation.positions or case.question == "contains",
    )
    stopwatch.calls(row, scanner.contains if case.question == "contains" else scanner.find, texts, fresh)


def _words(case: Case) -> tuple[str, ...]:
    return hostile_words(case.texts, case.words) if case.texts in HOSTILE else make_words(case.words)


def _texts(case: Case) -> Sequence[str]:
    count = 1_000 if case.length == 20 else 300 if case.length == 100 else 8
    if case.texts in HOSTILE:
        return hostile_texts(case.texts, case.length, case.words, count=min(count, 8))
    make = {"clean": clean_texts, "early hit": early_texts, "dense": dense_texts}[case.texts]
    return make(case.kind, case.length, case.words, count)


def _check(scanner: Scanner, case: Case, texts: Sequence[str]) -> None:
    few = 2 if case.length > 100 else 50
    for text, wanted in zip(texts, _expected(case, scanner.reports, few), strict=False):
        if scanner.hits is not None:
            assert scanner.hits(text) == wanted
            assert bool(scanner.contains(text)) is bool(wanted)
        elif wanted:
            # With foldings and noise there may be more hits than plain search sees, never none.
            assert scanner.contains(text)


@lru_cache(maxsize=8)
def _expected(case: Case, reports: Reports, few: int) -> list[set[object]]:
    words = _words(case)
    known, longest = frozenset(words), max(map(len, words))
    return [expected(text, known, longest, reports) for text in _texts(case)[:few]]

"""Building a filter: a thousand to a million words."""

import pytest

from benches.measure import Row, Stopwatch
from benches.peers.filter import Filter
from benches.peers.filters import FILTERS
from benches.words import make_words

SIZES = {1_000: 10, 10_000: 5, 100_000: 2, 1_000_000: 1}
"""Words → how often it is timed."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    sizes = list(SIZES)[:1] if metafunc.config.getoption("quick") else SIZES
    most = metafunc.config.getoption("most_words")
    metafunc.parametrize("count", [count for count in sizes if count <= most])


@pytest.mark.parametrize("implementation", FILTERS, ids=lambda each: each.name)
def test_build(count: int, implementation: Filter, stopwatch: Stopwatch) -> None:
    if count > implementation.most_words:
        pytest.skip(f"{implementation.name}: {implementation.why_not_more}")
    words = list(make_words(count))
    row = Row("filter", f"build, {count:,} words", implementation.name, size=count, unit="words")
    stopwatch.build(row, lambda: implementation.build(words), SIZES[count])

"""One way of timing for all: rounds of many calls on fresh objects, made outside the clock."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

from pytest_benchmark.fixture import BenchmarkFixture

# Fresh objects of a round together stay below the second-level cache: what a server just received is there too.
BYTES_A_ROUND = 400_000
MOST_CALLS = 2_000
SECONDS_A_ROUND = 0.05
MOST_ROUNDS = 300
LEAST_ROUNDS = 5
SECONDS = 0.3
"""For the rounds of one case, unless told otherwise."""
MOST_WORDS = 1_000_000
SLOW = 0.3
"""Seconds from which one round must do."""


@dataclass(frozen=True)
class Row:
    """What a figure stands for. `size` is what a call works on, in `unit`: characters, bytes, events or none."""

    kernel: str
    case: str
    implementation: str
    size: int = 0
    unit: str = ""
    comparable: bool = True
    """False for a figure of a lesser job, which no ratio is made of."""
    note: str = ""


class Stopwatch:
    """Times what it is given, and files the figure under its row."""

    def __init__(self, benchmark: BenchmarkFixture, *, quick: bool, seconds: float) -> None:
        self._benchmark = benchmark
        self._pedantic: Callable[..., object] = benchmark.pedantic
        self._quick = quick
        self._seconds = seconds

    def calls(
        self, row: Row, function: Callable[[Any], object], contents: Sequence[Any], fresh: Callable[[Any], Any]
    ) -> None:
        """Times `function` on fresh copies of `contents`, each object passed once."""
        began = perf_counter()
        function(fresh(contents[0]))
        once = perf_counter() - began
        fits = min(MOST_CALLS, int(SECONDS_A_ROUND / once), BYTES_A_ROUND // sys.getsizeof(contents[0]))
        count = max(1, min(fits, 20) if self._quick else fits)
        several = (list(contents) * (count // len(contents) + 1))[:count]
        self.rounds(row, _consume, lambda: (function, [fresh(content) for content in several]), count)

    def rounds(
        self, row: Row, function: Callable[..., object], arguments: Callable[[], tuple[Any, ...]], calls: int
    ) -> None:
        """Times `function(*arguments())`, which does what is measured so many times; `arguments` is off the clock."""
        given = arguments()
        began = perf_counter()
        function(*given)
        once = perf_counter() - began
        del given
        least = LEAST_ROUNDS if once < SLOW else 1
        rounds = max(least, min(MOST_ROUNDS, int(self._seconds / max(once, 1e-6))))
        self._file(row, calls)
        self._pedantic(function, setup=lambda: (arguments(), {}), rounds=2 if self._quick else rounds)

    def build(self, row: Row, function: Callable[[], object], rounds: int) -> None:
        """Times something that takes long by itself, so many times."""
        self._file(row, 1)
        self._pedantic(function, rounds=1 if self._quick else rounds)

    def _file(self, row: Row, calls: int) -> None:
        self._benchmark.group = f"{row.kernel}: {row.case}"
        self._benchmark.extra_info.update(asdict(row), calls=calls)


def _consume(function: Callable[[Any], object], values: Iterable[Any]) -> None:
    # The least overhead that Python has for calling something often; the empty call in the tables shows it.
    deque(map(function, values), maxlen=0)

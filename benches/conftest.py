"""Guards, the stopwatch, and what goes into the results beside the figures."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benches import machine
from benches.measure import MOST_WORDS, SECONDS, Stopwatch
from benches.peers import LEFT_OUT
from benches.run import this_run


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="small inputs, two rounds: proves that the benches run")
    parser.addoption("--seconds", type=float, default=SECONDS, help="time for the rounds of one case")
    parser.addoption("--most-words", type=int, default=MOST_WORDS, help="leave out longer lists")


def pytest_configure(config: pytest.Config) -> None:
    try:
        this_run()
    except RuntimeError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_benchmark_update_json(config: pytest.Config, benchmarks: object, output_json: dict[str, Any]) -> None:
    output_json["xiaoer"] = machine.describe() | {
        "run": this_run(),
        "quick": config.getoption("quick"),
        "seconds": config.getoption("seconds"),
        "most_words": config.getoption("most_words"),
        "left_out": LEFT_OUT,
        "not_measured": NOT_MEASURED,
    }


NOT_MEASURED: dict[str, list[str]] = {}
"""Reason → cases that were skipped for it."""


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped and isinstance(report.longrepr, tuple):
        NOT_MEASURED.setdefault(report.longrepr[2].removeprefix("Skipped: "), []).append(report.nodeid)


@pytest.fixture(scope="session")
def quick(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("quick"))


@pytest.fixture
def stopwatch(benchmark: BenchmarkFixture, quick: bool, request: pytest.FixtureRequest) -> Iterator[Stopwatch]:
    # Old objects (word lists, the peers' automata) are no business of a collection in the middle of a round.
    gc.collect()
    gc.freeze()
    yield Stopwatch(benchmark, quick=quick, seconds=request.config.getoption("seconds"))
    gc.unfreeze()

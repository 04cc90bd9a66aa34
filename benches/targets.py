"""What the kernels are to reach, and whether they did in these results."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from benches.figures import Line, Results, show
from benches.texts import HOSTILE


class Verdict(NamedTuple):
    """One promise: what was measured, beside what."""

    what: str
    goal: str
    measured: str
    peer: str
    reached: bool | None
    """None if it was not measured."""


SHORT = "contains, clean, chinese, 20 characters, 10,000 words"
LONG = "contains, clean, chinese, 10,000 characters, 10,000 words"
DENSE = "find, dense, chinese, 10,000 characters, 10,000 words"
CLEAN_FIND = "find, clean, chinese, 10,000 characters, 10,000 words"


def verdicts(results: Results) -> list[Verdict]:
    """All of them, in the order of the design."""
    found = [
        *_filter(results),
        *_build(results),
        *_chunker(results),
        *_queue_and_sse(results),
        _over_pure(results, "filter", LONG, 20),
        _over_pure(results, "chunker", "split, chinese, 200,000 characters, chunks of 1,000", 10),
    ]
    return [verdict for verdict in found if verdict is not None]


def _filter(results: Results) -> Iterator[Verdict | None]:
    yield _at_most(results, "filter", SHORT, 78, 1e9, "ns", over_best=3)
    yield _at_least(results, "filter", LONG, 1_000, 1e-6, "Mchar/s")
    yield _beats(results, "filter", DENSE, 1.5)
    clean = results.line("filter", CLEAN_FIND)
    for hostile in HOSTILE:
        line = results.line("filter", f"find, {hostile}, chinese, 10,000 characters, 10,000 words")
        if line and clean and line.ours and clean.ours:
            times = line.ours.median / clean.ours.median
            yield Verdict(f"filter: {hostile} against clean text", "≤ 8×", f"{times:.1f}×", "", times <= 8)


def _build(results: Results) -> Iterator[Verdict | None]:
    yield _at_most(results, "filter", "build, 100,000 words", 0.3, 1, "s")
    yield _at_most(results, "filter", "build, 1,000,000 words", 3, 1, "s")


def _chunker(results: Results) -> Iterator[Verdict | None]:
    for kind in ("chinese", "english"):
        yield _beats(results, "chunker", f"spans, {kind}, 200,000 characters, chunks of 1,000", 2)
        yield _beats(results, "chunker", f"split, {kind}, 200,000 characters, chunks of 1,000", 1)
        yield _at_least(results, "tokens", f"split by 300, {kind}, 100,000 characters", 30, 1e-6, "MB/s")


def _queue_and_sse(results: Results) -> Iterator[Verdict | None]:
    yield _at_most(results, "queue", "put, get, by turns", 60, 1e9, "ns")
    yield _at_most(results, "queue", "2,000 put, then got", 60, 1e9, "ns")
    yield _at_most(results, "sse", "event to text, an event a read", 200, 1e9, "ns")
    yield _at_most(results, "sse", "encode an event", 100, 1e9, "ns")


def _at_most(
    results: Results, kernel: str, case: str, most: float, scale: float, unit: str, over_best: float = 0
) -> Verdict | None:
    goal = f"≤ {most:g} {unit}" + (f" and ≥ {over_best:g}× the best peer" if over_best else "")
    return _judge(
        results.line(kernel, case),
        goal,
        show=lambda line: show(line.ours.median) if line.ours else "",
        holds=lambda line: bool(line.ours and line.ours.median * scale <= most) and (line.over_best or 0) >= over_best,
    )


def _at_least(results: Results, kernel: str, case: str, least: float, scale: float, unit: str) -> Verdict | None:
    return _judge(
        results.line(kernel, case),
        f"≥ {least:,} {unit}",
        show=lambda line: f"{line.ours.rate * scale:,.0f} {unit}" if line.ours else "",
        holds=lambda line: bool(line.ours and line.ours.rate * scale >= least),
    )


def _beats(results: Results, kernel: str, case: str, times: float) -> Verdict | None:
    return _judge(
        results.line(kernel, case),
        f"≥ {times:g}× the best peer",
        show=lambda line: f"{line.over_best:.2g}×" if line.over_best else "",
        holds=lambda line: (line.over_best or 0) >= times,
    )


def _over_pure(results: Results, kernel: str, case: str, times: float) -> Verdict | None:
    return _judge(
        results.line(kernel, case),
        f"≥ {times:g}× plain Python",
        show=lambda line: f"{line.over_pure:.0f}×" if line.over_pure else "",
        holds=lambda line: (line.over_pure or 0) >= times,
    )


def _judge(line: Line | None, goal: str, show: Callable[[Line], str], holds: Callable[[Line], bool]) -> Verdict | None:
    if line is None:
        return None
    best = line.best_peer
    peer = "" if best is None else f"{best[0]}"
    if best and line.over_best:
        peer += f" ({line.over_best:.2g}×)"
    measured = show(line)
    return Verdict(
        f"{line.kernel}: {line.case}", goal, measured or "not measured", peer, holds(line) if measured else None
    )

"""The tables of `make load-gateway`, and their place in the README."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from benches.load.gateway_runs import Fast, Paced, Plan, Result

BEGIN = "<!-- gateway: begin -->"
END = "<!-- gateway: end -->"


class Report(msgspec.Struct):
    """All that was found in one run."""

    date: str
    command: str
    machine: list[str]
    quick: bool
    load: float
    plan: Plan
    direct: dict[int, Paced] = msgspec.field(default_factory=dict)
    results: list[Result] = msgspec.field(default_factory=list)
    pool: list[dict[str, float]] = msgspec.field(default_factory=list)
    outage: list[tuple[str, ...]] = msgspec.field(default_factory=list)


def blocks(report: Report) -> Iterator[str]:
    """The report in Markdown, block by block."""
    yield f"Measured {report.date} by `{report.command}`; load of the machine when it began: {report.load:.2f}."
    yield "\n".join(f"- {line}" for line in report.machine)
    if report.quick:
        yield "**A quick run: no figure here means anything.**"
    if report.results:
        yield _table(_head(report), [row(result, report.direct) for result in report.results])
        yield _notes(report)
    if report.pool:
        yield "### The pool breathes\n\n![Connections to the model through a ramp and a fall](pool.svg)"
    if report.outage:
        yield "### What a visitor saw while the model was gone"
        head = ("the model", "questions", "what the visitors saw", "until the first sign of it, p50 / max")
        yield _table(head, report.outage)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _head(report: Report) -> tuple[str, ...]:
    paced = [
        column
        for streams in report.plan.streams
        for column in (f"CPU µs a token, {streams:,} streams", f"first token, {streams:,} streams: added p50 / p99")
    ]
    return ("", "what it does", "answers/s", "CPU µs", "streams/s", "CPU µs", *paced, "memory at rest / most")


def row(result: Result, direct: dict[int, Paced]) -> tuple[str, ...]:
    """A line of the table."""
    if result.missing:
        return (result.name, f"not measured: {' '.join(result.missing.split())}")
    name = f"**{result.name}**" if result.ours else result.name
    cells = [name, result.does, *_fast(result.plain), *_fast(result.streams)]
    for streams, base in direct.items():
        paced = result.paced.get(streams)
        if paced is None:
            cells += ["–", "–"]
            continue
        behind = paced.tokens < 0.95 * paced.wanted
        cells.append(f"{paced.cpu * 1e6:.1f}" + (f" ({paced.tokens / paced.wanted:.0%} came)" if behind else ""))
        cells.append(f"{_ms(paced.p50 - base.p50)} / {_ms(paced.p99 - base.p99)}" if paced.samples else "none came")
    cells.append(f"{result.rest / 2**20:.0f} / {result.most / 2**20:.0f} MiB")
    return tuple(cells)


def _fast(fast: Fast | None) -> tuple[str, str]:
    if fast is None:
        return "–", "–"
    # Where the callers' core is full and the server's is not, the figure is theirs.
    floor = "≥ " if fast.own > 0.97 and fast.busy < 0.95 else ""
    return f"{floor}{fast.rate:,.0f}", f"{fast.cpu * 1e6:,.0f}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f} ms" if abs(seconds) < 10 else f"{seconds:,.0f} s"


def _notes(report: Report) -> str:
    plan = report.plan
    notes = [
        f"- Answers and streams: {plan.connections} callers, each asks again at once; 100 tokens an answer. Streams at "
        f"50 tokens a second: answers of {plan.tokens} tokens, asked again at once; beginnings spread evenly.",
        "- *CPU* is processor time of the server, children and all, for an answer, a stream or a token. *≥*: the "
        "callers and the simulator were at the end of their core, the server was not.",
        *(
            f"- The simulator itself with {streams:,} streams: first token p50 {_ms(base.p50)}, p99 {_ms(base.p99)} "
            f"({base.samples:,} answers); what is added to that is in the table."
            for streams, base in report.direct.items()
        ),
    ]
    rewritten = [result.name for result in report.results if result.rewritten]
    if rewritten:
        notes.append(
            f"- Wrote the answers anew (text, finish reason and [DONE] were compared): {', '.join(rewritten)}."
        )
    notes += [f"- {result.name} failed at {failure[:160]}" for result in report.results for failure in result.failures]
    notes += [
        f"- **{result.name}: {len(result.problems)} answers were lost or wrong.** First: {result.problems[0][:200]}"
        for result in report.results
        if result.problems
    ]
    return "\n".join(notes)


def write(report: Report, readme: Path) -> None:
    """Put the report between its markers."""
    before, _, rest = readme.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    readme.write_text(f"{before}{BEGIN}\n" + "\n\n".join(blocks(report)) + f"\n{END}{after}")

"""Writes the results into README.md, between its markers, and the plot beside it.

`python -m benches.report [FOLDER]` does it again from results that are there; the same results give the same text.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from benches.figures import Figure, Line, Results, is_ours, show
from benches.measure import MOST_WORDS, SECONDS
from benches.plot import draw
from benches.run import Run
from benches.targets import verdicts

BEGIN = "<!-- results: begin -->"
END = "<!-- results: end -->"
TITLES = {
    "filter": "Filter",
    "chunker": "Chunker, limits in characters",
    "tokens": "Tokens of o200k_base",
    "queue": "Priority queue, a put and its get",
    "sse": "Event streams, an event",
    "baseline": "An empty call",
}


def write_report(folder: Path, readme: Path, template: Path) -> None:
    """Makes `readme` of `template` and of the results in `folder`; the plot goes beside it."""
    results = Results(folder)
    before, _, rest = template.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    readme.with_name("results.svg").write_text(draw(results))
    body = "\n\n".join(block for block in _body(results) if block)
    readme.write_text(f"{before}{BEGIN}\n{body}\n{END}{after}")


def _body(results: Results) -> Iterator[str]:
    yield _machine(results)
    yield _warnings(results)
    yield "![Time of a call, ours and the peers](results.svg)"
    yield "### What was promised"
    yield _table(
        ("what", "goal", "measured", "best peer (we are × as fast)", ""),
        (
            (verdict.what, verdict.goal, verdict.measured, verdict.peer, _sign(verdict.reached))
            for verdict in verdicts(results)
        ),
    )
    for kernel, title in TITLES.items():
        lines = [line for line in results.lines.values() if line.kernel == kernel]
        if lines:
            yield f"### {title}"
            yield _times(lines)
    yield _cuts(results)
    yield "### Who was measured"
    yield _packages(results)


def _sign(reached: bool | None) -> str:
    return {True: "reached", False: "**not reached**", None: "–"}[reached]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _machine(results: Results) -> str:
    about = results.about("native")
    if about is None:
        return "The native run measured nothing."
    build = about["build"]
    features = ", ".join(build["cpu_features"]) or "none named"
    return (
        f"Measured {about['date'].replace('T', ' ')} on {about['cpu']}, {about['cores']} cores, {about['memory']}, "
        f"{about['system']}; {about['python']}; xiaoer {build['version']}, profile {build['profile']}, "
        f"CPU features: {features}. Load when it began: {about['load'][0]}."
    )


def _warnings(results: Results) -> str:
    about = results.about("native")
    portable = results.about("portable")
    notes: list[str] = []
    if about and about["load"][0] > 1:
        notes.append("**The machine was busy: these figures show that the benches run, and little else.**")
    if about and about["quick"]:
        notes.append("**A quick run on small inputs: no figure here means anything.**")
    if portable and (portable["seconds"] < SECONDS or portable["most_words"] < MOST_WORDS):
        notes.append(
            f"**Cut short: {portable['seconds']} s for each case instead of {SECONDS}, "
            f"lists of words up to {portable['most_words']:,} instead of {MOST_WORDS:,}.**"
        )
    if about and portable and about["build"]["cpu_features"] == portable["build"]["cpu_features"]:
        notes.append(
            "The run without SIMD reported the same CPU features as the native one: "
            "its column tells only how far two runs of the same differ, unless the build says otherwise."
        )
    return "\n\n".join(notes)


def _times(lines: list[Line]) -> str:
    columns = _columns(lines)
    ratios: list[tuple[str, Ratio]] = [
        ("× best peer", lambda line: line.over_best),
        ("× pure", lambda line: line.over_pure),
    ]
    shown = [(name, of) for name, of in ratios if any(of(line) for line in lines)]
    head = ("median (minimum)", *(title for _, title in columns), *(name for name, _ in shown))
    return _table(head, (_row(line, columns, [of for _, of in shown]) for line in lines))


RUN_TITLES: dict[Run, str] = {"native": "", "portable": "no SIMD", "pure": "pure"}
Ratio = Callable[[Line], float | None]
Column = tuple[tuple[Run, str], str]


def _columns(lines: list[Line]) -> list[Column]:
    keys = dict.fromkeys(key for line in lines for key in line.figures)
    ours: list[Column] = []
    peers: list[Column] = []
    for run, name in keys:
        if is_ours(name):
            ours.append(((run, name), ", ".join(filter(None, (name, RUN_TITLES[run])))))
        else:
            peers.append(((run, name), name))
    return ours + peers


def _row(line: Line, columns: list[Column], ratios: list[Ratio]) -> tuple[str, ...]:
    cells = [_cell(line, key) for key, _ in columns]
    return (line.case, *cells, *(_ratio(of(line)) for of in ratios))


def _ratio(ratio: float | None) -> str:
    if ratio is None:
        return "–"
    return f"{ratio:.2g}×" if ratio < 10 else f"{ratio:,.0f}×"


def _cell(line: Line, key: tuple[Run, str]) -> str:
    figure = line.figures.get(key)
    if figure is None:
        return "–"
    text = _time(figure)
    if not figure.comparable:
        return f"*{text}*"
    wins = line.ours is not None and not is_ours(key[1]) and figure.median < line.ours.median
    return f"**{text}**" if wins else text


def _time(figure: Figure) -> str:
    return show(figure.median, figure.minimum)


def _cuts(results: Results) -> str:
    lines = [line for line in results.lines.values() if line.kernel == "chunker" and line.case.startswith("split")]
    if not lines:
        return ""
    names = list(dict.fromkeys(name for line in lines for run, name in line.figures if run == "native"))
    rows = (
        (line.case, *(figure.note if (figure := line.figures.get(("native", name))) else "–" for name in names))
        for line in lines
    )
    return "Cuts behind the end of a sentence, of a line or of a table's row:\n\n" + _table(("", *names), rows)


def _packages(results: Results) -> str:
    about = results.about("native")
    if about is None:
        return ""
    rows = (
        (name, package["version"] or "not installed", package["licence"], package["lacks"])
        for name, package in about["packages"].items()
    )
    blocks = [_table(("package", "version", "licence", "what ours does and it does not"), rows)]
    if about["left_out"]:
        blocks.append("Left out:\n\n" + "\n".join(f"- {name}: {why}" for name, why in about["left_out"].items()))
    reasons = _reasons(results)
    if reasons:
        blocks.append("Not measured:\n\n" + "\n".join(f"- {reason}" for reason in reasons))
    return "\n\n".join(blocks)


def _reasons(results: Results) -> list[str]:
    found: list[str] = []
    for run, title in RUN_TITLES.items():
        about = results.about(run)
        if about:
            title += ": " if title else ""
            found += [f"{title}{reason} ({len(cases)} cases)" for reason, cases in about["not_measured"].items()]
    return found


if __name__ == "__main__":
    here = Path(__file__).parent
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else here.parent / "build" / "bench"
    write_report(source, here / "README.md", template=here / "README.md")

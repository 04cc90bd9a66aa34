"""The plot: for the cases that matter most, everybody's time as a bar, shortest first, on a logarithmic scale.

Written by hand, for it is but rectangles and words; its colours hold on light and on dark ground.
"""

from collections.abc import Iterator
from html import escape
from math import log10
from typing import NamedTuple

from benches.figures import Figure, Line, Results, is_ours, show
from benches.targets import DENSE, LONG, SHORT

PANELS = (
    ("filter", SHORT, "Filter: 20 Chinese characters, no hit, 10,000 words"),
    ("filter", LONG, "Filter: 10,000 characters, no hit, 10,000 words"),
    ("filter", DENSE, "Filter: 10,000 characters, a hit every ten, find all"),
    ("filter", "build, 100,000 words", "Filter: building 100,000 words"),
    ("chunker", "split, chinese, 200,000 characters, chunks of 1,000", "Chunker: 200,000 Chinese characters, split"),
    ("tokens", "split by 300, chinese, 100,000 characters", "Chunker: 100,000 Chinese characters, by tokens"),
    ("queue", "2,000 put, then got", "Queue: a put and its get, 2,000 deep"),
    ("sse", "event to text, an event a read", "SSE: an event of a model's answer to its text"),
)
WIDTH = 960
PANEL = WIDTH // 2
NAMES = 210
VALUES = 70
STEP = 19
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.ours { fill: #1a7f5a } .variant { fill: #6fb89b } .peer { fill: #8c959f }
.lesser { fill: none; stroke: #8c959f; stroke-dasharray: 3 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .ours { fill: #3fb88a } .variant { fill: #2a7a5c } .peer { fill: #6e7681 }
  .lesser { stroke: #6e7681 }
}
"""


class Bar(NamedTuple):
    """One implementation's time."""

    name: str
    figure: Figure
    style: str


def draw(results: Results) -> str:
    """The SVG. Panels stand in two columns; a case that was not measured has none."""
    heights = [10, 10]
    parts: list[str] = []
    for kernel, case, title in PANELS:
        line = results.line(kernel, case)
        if line is None:
            continue
        bars = _bars(line)
        column = heights.index(min(heights))
        parts += _panel(title, bars, column * PANEL + 10, heights[column])
        heights[column] += 34 + STEP * len(bars)
    height = max(heights) + 24
    legend = (
        f'<text x="10" y="{height - 8}">Median time on a logarithmic scale; shorter is better. '
        "Green: ours; grey: peers; dashed: does a lesser job.</text>"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            'role="img" aria-label="Times of xiaoer and of its peers">',
            f"<style>{STYLE}</style>",
            *parts,
            legend,
            "</svg>\n",
        ]
    )


def _bars(line: Line) -> list[Bar]:
    bars = []
    for (run, name), figure in line.figures.items():
        if is_ours(name):
            label = name if run == "native" else f"{name}, {'no SIMD' if run == 'portable' else 'pure Python'}"
            bars.append(Bar(label, figure, "ours" if run == "native" else "variant"))
        else:
            bars.append(Bar(name, figure, "peer" if figure.comparable else "lesser"))
    return sorted(bars, key=lambda bar: bar.figure.median)


def _panel(title: str, bars: list[Bar], left: int, top: int) -> Iterator[str]:
    yield f'<text class="title" x="{left}" y="{top + 12}">{escape(title)}</text>'
    # The scale begins at half the shortest time, so that every bar has a length.
    low = log10(bars[0].figure.median / 2)
    high = max(log10(bars[-1].figure.median), low + 1)
    room = PANEL - NAMES - VALUES - 30
    for number, bar in enumerate(bars):
        middle = top + 22 + STEP * number
        length = room * (log10(bar.figure.median) - low) / (high - low)
        yield f'<text x="{left + NAMES - 6}" y="{middle + 11}" text-anchor="end">{escape(bar.name)}</text>'
        yield f'<rect class="{bar.style}" x="{left + NAMES}" y="{middle}" width="{length:.1f}" height="14" rx="2"/>'
        yield f'<text x="{left + NAMES + length + 5:.1f}" y="{middle + 11}">{show(bar.figure.median)}</text>'

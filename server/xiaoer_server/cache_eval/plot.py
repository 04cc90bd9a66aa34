"""The plot: for each method, recall against the share of hits that are wrong, a point a threshold.

Written by hand, for it is but lines and words; its colours hold on light and on dark ground.
"""

from __future__ import annotations

from html import escape

from .measure import Report
from .rates import Rates

WIDTH, HEIGHT = 460, 330
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 44, 48
#: About how wide a character of the key is.
CHARACTER = 5.8
_COLOURS = {"ours": "ours", "cosine alone": "cosine", "cosine and guards": "guards"}
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 } .small { font-size: 10.5px }
.axis { stroke: #8c959f } .grid { stroke: #8c959f; stroke-opacity: .25 }
.line { fill: none; stroke-width: 1.8 } .dot { stroke: none }
.ours { stroke: #1a7f5a; fill: #1a7f5a } .cosine { stroke: #b35900; fill: #b35900 }
.guards { stroke: #6639ba; fill: #6639ba } .peer { stroke: #6e7781; fill: #6e7781 }
.line.ours, .line.cosine, .line.guards, .line.peer { fill: none }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .ours { stroke: #3fb88a; fill: #3fb88a } .cosine { stroke: #e8963f; fill: #e8963f }
  .guards { stroke: #b18cf2; fill: #b18cf2 } .peer { stroke: #adb5bd; fill: #adb5bd }
}
"""


def draw(reports: dict[str, Report]) -> str:
    """The SVG: a row for each file, its pairs to the left, its store to the right."""
    parts: list[str] = []
    for row, (name, report) in enumerate(reports.items()):
        for column, (title, found) in enumerate((("pairs", report.by_pairs), ("store", _with_ours(report)))):
            parts += _panel(f"{name}: {title}", found, column * WIDTH, row * HEIGHT, report)
    size = f'viewBox="0 0 {2 * WIDTH} {HEIGHT * max(1, len(reports))}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>{"".join(parts)}</svg>\n'


def _with_ours(report: Report) -> list[Rates]:
    return report.by_store + [each for each in report.chosen if each.method == "ours, store"]


def _panel(title: str, found: list[Rates], left: int, top: int, report: Report) -> list[str]:
    methods: dict[str, list[Rates]] = {}
    for each in found:
        if each.hits:
            methods.setdefault(each.method.partition(",")[0], []).append(each)
    most = max((each.wrong or 0.0 for each in found), default=0.0)
    scale = next(limit for limit in (0.02, 0.05, 0.1, 0.2, 0.5, 0.75, 1.0) if limit >= most)
    x0, y0 = left + LEFT, top + HEIGHT - BOTTOM
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def place(each: Rates) -> tuple[float, float]:
        return x0 + width * each.recall, y0 - height * min(1.0, (each.wrong or 0.0) / scale)

    parts = [f'<text class="title" x="{x0}" y="{top + 18}">{escape(title)}</text>']
    for step in range(5):
        y = y0 - height * step / 4
        parts.append(f'<line class="grid" x1="{x0}" x2="{x0 + width}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="small" x="{x0 - 6}" y="{y + 4:.1f}" text-anchor="end">{scale * step / 4:.1%}</text>'
        )
        x = x0 + width * step / 4
        parts.append(f'<text class="small" x="{x:.1f}" y="{y0 + 16}" text-anchor="middle">{step / 4:.0%}</text>')
    parts.append(f'<path class="axis" fill="none" d="M{x0} {top + TOP}V{y0}H{x0 + width}"/>')
    parts.append(f'<text class="small" x="{x0 + width}" y="{y0 + 34}" text-anchor="end">recall</text>')
    parts.append(f'<text class="small" x="{x0 - 44}" y="{top + 36}">wrong / hits</text>')
    key = x0 + 34.0
    for method, points in methods.items():
        style = _COLOURS.get(method, "peer")
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, points))
        parts.append(f'<polyline class="line {style}" points="{line}"/>')
        for each in points:
            x, y = place(each)
            label = (
                f"{method} at {each.threshold}: recall {each.recall:.1%}, wrong {each.wrong or 0:.2%} of {each.hits}"
            )
            parts.append(
                f'<circle class="dot {style}" cx="{x:.1f}" cy="{y:.1f}" r="2.6"><title>{escape(label)}</title></circle>'
            )
        parts.append(f'<circle class="{style}" cx="{key:.0f}" cy="{top + 32}" r="4"/>')
        parts.append(f'<text class="small" x="{key + 8:.0f}" y="{top + 36}">{escape(method)}</text>')
        key += 24 + CHARACTER * len(method)
    return parts

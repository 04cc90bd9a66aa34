"""How many connections to the model the server keeps while the load on it grows, holds, falls and holds again."""

from __future__ import annotations

import asyncio
import re
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benches.load.callers import Caller, Endpoint, Load
from benches.load.simulator import Simulator
from benches.load.subjects import Missing, Place, xiaoer
from benches.plot import STYLE

if TYPE_CHECKING:
    from benches.load.gateway_report import Report

METRICS = ("size", "in_use", "waiting", "connecting", "desired")
SHOWN = (
    ("size", "ours", "connections"),
    ("in_use", "used", "of those, in use"),
    ("load", "load", "streams that callers have under way"),
)
#: Seconds, and the streams at their end; the load goes from one to the next in a straight line.
COURSE = ((5.0, 20), (20.0, 600), (15.0, 600), (15.0, 20), (60.0, 20))
QUICK = ((1.0, 5), (2.0, 30), (1.0, 5), (1.0, 5))
_SETTINGS = "scale_down_seconds = 15.0\nidle_seconds = 10.0\n"

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 960, 360, 60, 40, 40


class _Swing(Load):
    """A load of which only the first so many callers go on; who stops leaves, as people do."""

    target = 0

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint, None, stream=True)
        self._callers: dict[int, Caller] = {}
        self._numbers: dict[Caller, int] = {}

    async def fill(self) -> None:
        """Bring callers up to the target."""
        loop = asyncio.get_running_loop()
        for number in range(self.target):
            if number not in self._callers:
                _, caller = await loop.create_connection(lambda: Caller(self), "127.0.0.1", self.port)
                self._callers[number] = caller
                self._numbers[caller] = number
                caller.send()

    def goes_on(self, caller: Caller) -> bool:
        if self._numbers[caller] < self.target:
            return True
        del self._callers[self._numbers.pop(caller)]
        caller.close()
        return False

    def close(self) -> None:
        """Break off what is under way."""
        for caller in self._callers.values():
            caller.close()


async def run(report: Report, place: Place, *, quick: bool) -> None:
    """Do it, and draw it beside the README.

    Raises:
        Missing: the server has no gateway or does not tell about its pool.
    """
    async with Simulator(tokens=100, rate=50.0, first_token=0.05, models=["sim-model"]) as simulator:
        toml = "[gateway]\nfilter = false\n"
        opened = xiaoer(place._replace(upstream=simulator.port), toml, provider=_SETTINGS)
        print("pool: starting the server", flush=True)
        _, endpoint = await asyncio.to_thread(opened.__enter__)
        try:
            course = QUICK if quick else COURSE
            report.pool = await _follow(endpoint, course)
        finally:
            await asyncio.to_thread(opened.__exit__, None, None, None)
    if not quick:
        Path(__file__).with_name("pool.svg").write_text(draw(report.pool))


async def _follow(endpoint: Endpoint, course: Sequence[tuple[float, int]]) -> list[dict[str, float]]:
    swing = _Swing(endpoint)
    points: list[dict[str, float]] = []
    began = time.perf_counter()
    start, before = 0.0, 0
    for seconds, streams in course:
        while (now := time.perf_counter() - began) < start + seconds:
            swing.target = round(before + (streams - before) * (now - start) / seconds)
            await swing.fill()
            points.append({"at": now, "load": swing.under_way, **await asyncio.to_thread(_read, endpoint.port)})
            await asyncio.sleep(0.2)
        start, before = start + seconds, streams
    swing.close()
    if swing.problems:
        raise SystemExit(f"pool: {swing.problems[0]}")
    return points


def _read(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        text = response.read().decode()
    found: dict[str, float] = {}
    for name in METRICS:
        values = re.findall(rf"^xiaoer_upstream_pool_{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
        if not values:
            raise Missing(f"/metrics has no xiaoer_upstream_pool_{name}")
        found[name] = sum(map(float, values))
    return found


def draw(points: Sequence[dict[str, float]]) -> str:
    """The SVG: seconds to the right, connections and streams upwards."""
    end = points[-1]["at"]
    most = max(max(point[key] for key, _, _ in SHOWN) for point in points) * 1.05
    across, down = (WIDTH - LEFT - 20) / end, (HEIGHT - TOP - BOTTOM) / most
    style = STYLE + (
        "path { fill: none !important; stroke-width: 2 } path.ours { stroke: #1a7f5a } path.used { stroke: #6fb89b }\n"
        "path.load { stroke: #8c959f; stroke-dasharray: 4 3 } path.grid { stroke: #8c959f; stroke-width: .4 }\n"
    )
    lines = [
        '<path class="{}" d="M{}"/>'.format(
            kind,
            "L".join(
                f"{LEFT + point['at'] * across:.1f},{HEIGHT - BOTTOM - point[key] * down:.1f}" for point in points
            ),
        )
        for key, kind, _ in reversed(SHOWN)
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            'role="img" aria-label="Connections to the model while the load grows and falls">',
            f"<style>{style}</style>",
            '<text class="title" x="10" y="18">Connections to the model while the load grows and falls</text>',
            *_grid(end, most, across, down),
            *lines,
            *_legend(),
            "</svg>\n",
        ]
    )


def _grid(end: float, most: float, across: float, down: float) -> Iterator[str]:
    for level in range(0, int(most) + 1, 100 if most > 150 else 10):
        y = HEIGHT - BOTTOM - level * down
        yield f'<path class="grid" d="M{LEFT},{y:.1f}H{WIDTH - 20}"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{level}</text>'
    for second in range(0, int(end) + 1, 10):
        x = LEFT + second * across
        yield f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{second} s</text>'


def _legend() -> Iterator[str]:
    left = LEFT
    for _, kind, what in SHOWN:
        yield f'<path class="{kind}" d="M{left},{TOP - 10}h24"/>'
        yield f'<text x="{left + 30}" y="{TOP - 6}">{what}</text>'
        left += 60 + 7 * len(what)

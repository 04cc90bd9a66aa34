"""The results of the runs, read back: what was measured, by kernel, case, run and implementation."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benches.run import RUNS, Run

OURS = "xiaoer"
UNITS = ((1e-6, 1e9, "ns"), (1e-3, 1e6, "µs"), (1, 1e3, "ms"), (float("inf"), 1, "s"))


@dataclass(frozen=True)
class Figure:
    """Seconds of one call, and what it worked on."""

    median: float
    minimum: float
    size: int
    unit: str
    comparable: bool
    note: str

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.size / self.median


@dataclass
class Line:
    """One case, and all that was measured for it."""

    kernel: str
    case: str
    figures: dict[tuple[Run, str], Figure]

    @property
    def ours(self) -> Figure | None:
        return self.figures.get(("native", OURS))

    @property
    def peers(self) -> dict[str, Figure]:
        return {name: figure for (run, name), figure in self.figures.items() if run == "native" and not is_ours(name)}

    @property
    def best_peer(self) -> tuple[str, Figure] | None:
        """The fastest of those that do the same job."""
        rivals = [(name, figure) for name, figure in self.peers.items() if figure.comparable]
        return min(rivals, key=lambda rival: rival[1].median, default=None)

    @property
    def over_best(self) -> float | None:
        """How many times faster than the best peer we are."""
        return self.best_peer[1].median / self.ours.median if self.ours and self.best_peer else None

    @property
    def over_pure(self) -> float | None:
        """How many times faster than our pure twin we are."""
        pure = self.figures.get(("pure", OURS))
        return pure.median / self.ours.median if self.ours and pure else None


def is_ours(name: str) -> bool:
    return name == OURS or name.startswith(OURS + ",")


def show(seconds: float, minimum: float | None = None) -> str:
    """Three figures and a unit, never an exponent; the minimum, if given, in brackets and in the same unit."""
    scale, unit = next((scale, unit) for most, scale, unit in UNITS if seconds < most)
    beside = "" if minimum is None else f" ({_three_figures(minimum * scale)})"
    return f"{_three_figures(seconds * scale)} {unit}{beside}"


def _three_figures(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


class Results:
    """What `python -m benches` left in a folder."""

    def __init__(self, folder: Path) -> None:
        self._runs: dict[Run, Any] = {
            run: json.loads((folder / f"{run}.json").read_text()) for run in RUNS if (folder / f"{run}.json").exists()
        }

    def about(self, run: Run) -> dict[str, Any] | None:
        """Machine, build and versions of a run; None if it measured nothing."""
        found: dict[str, Any] | None = self._runs[run]["xiaoer"] if run in self._runs else None
        return found

    @cached_property
    def lines(self) -> dict[tuple[str, str], Line]:
        """By kernel and case, in the order they were measured."""
        lines: dict[tuple[str, str], Line] = {}
        for run, results in self._runs.items():
            for benchmark in results["benchmarks"]:
                about = benchmark["extra_info"]
                key = (about["kernel"], about["case"])
                line = lines.setdefault(key, Line(*key, figures={}))
                line.figures[run, about["implementation"]] = Figure(
                    benchmark["stats"]["median"] / about["calls"],
                    benchmark["stats"]["min"] / about["calls"],
                    about["size"],
                    about["unit"],
                    about["comparable"],
                    about["note"],
                )
        return lines

    def line(self, kernel: str, case: str) -> Line | None:
        return self.lines.get((kernel, case))

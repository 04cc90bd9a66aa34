"""How many examples the parity tests of a kernel draw, and how many a run drew.

A kernel's parity tests are all `tests/parity/test_<kernel>_…parity.py`. In the long profile the tests of a kernel
together draw at least LONG examples, shared out evenly between its tests.
"""

from collections import Counter
from collections.abc import Callable
from functools import wraps
from math import ceil
from pathlib import Path
from typing import Any

LONG = 100_000
PARITY = Path(__file__).parents[1] / "parity"


def kernel_of(path: Path) -> str | None:
    """The kernel that a test file holds to its specification, None for other files."""
    return path.name.split("_")[1] if path.parent == PARITY and path.name.endswith("_parity.py") else None


def examples_of_each(kernel: str) -> int:
    """How many examples each Hypothesis test of a kernel must draw for LONG in all, once a test on one backend."""
    sources = [path.read_text(encoding="utf-8") for path in PARITY.glob(f"test_{kernel}_*parity.py")]
    return ceil(LONG / max(1, sum(source.count("\n@given(") for source in sources)))


class Tally:
    """Counts the examples that run, by kernel. A test on both backends counts on each."""

    def __init__(self) -> None:
        self.examples: Counter[str] = Counter()

    def watch(self, path: Path, test: Any) -> None:
        """Counts the calls of what `@given` decorates; the place to put it in is documented by Hypothesis."""
        kernel, handle = kernel_of(path), getattr(test, "hypothesis", None)
        if kernel is not None and handle is not None and not hasattr(handle.inner_test, "_counted"):
            handle.inner_test = self._counting(kernel, handle.inner_test)

    def _counting(self, kernel: str, inner: Callable[..., None]) -> Callable[..., None]:
        @wraps(inner)
        def counted(*args: Any, **kwargs: Any) -> None:
            self.examples[kernel] += 1
            inner(*args, **kwargs)

        counted._counted = True  # type: ignore[attr-defined]
        return counted

    def __str__(self) -> str:
        return ", ".join(f"{kernel} {number:,}" for kernel, number in sorted(self.examples.items()))

"""The tables of the foldings, a module each, with the same rows as the kernels'; written by one script."""

from functools import cache
from importlib import import_module

from xiaoer._words import Fold

ORDER = (
    Fold.WIDTH,
    Fold.CASE,
    Fold.SIMPLIFIED,
    Fold.DIGITS,
    Fold.ACCENTS,
    Fold.ENCLOSED,
    Fold.LIGATURES,
    Fold.LOOKALIKES,
)
"""Case goes before look-alikes, so that a capital goes the way of its small letter."""


@cache
def table(fold: Fold) -> dict[str, str]:
    """What one folding makes of each character that it changes: 1 to 8 characters."""
    module = import_module(f"{__name__}.{str(fold.name).lower()}")
    runs: tuple[tuple[int, int, int, int], ...] = module.RUNS
    rows = {
        chr(code): chr(target + code - first)
        for first, last, step, target in runs
        for code in range(first, last + 1, step)
    }
    words: str = module.PAIRS
    return rows | {word[0]: word[1:] for word in words.split()}


@cache
def enabled(fold: int) -> tuple[dict[str, str], ...]:
    """The tables of these foldings, in their order."""
    return tuple(table(step) for step in ORDER if fold & step)

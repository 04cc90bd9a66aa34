"""The shape of a filter under test, and all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Reports = Literal["leftmost-longest", "all", "words"]


class Scanner(NamedTuple):
    """A filter that is built. `contains` and `find` are what is timed: the peer's own call wherever there is one."""

    contains: Callable[[str], object]
    """True in a Boolean sense if there is a hit."""
    find: Callable[[str], object]
    """All hits, as the peer gives them."""
    hits: Callable[[str], set[object]] | None
    """For the check: spans in code points, or words."""
    reports: Reports = "leftmost-longest"


@dataclass(frozen=True)
class Filter:
    """A library, or one way of using it."""

    name: str
    build: Callable[[Sequence[str]], Scanner]
    ours: bool = False
    most_words: int = 1_000_000
    why_not_more: str = ""
    positions: bool = True
    """False if it tells which words occur but not where: a lesser job, its `find` is in no ratio."""


def expected(text: str, words: frozenset[str], longest: int, reports: Reports) -> set[object]:
    """What a filter must report, by trying every place and length: slow and plain."""
    found = [
        (start, start + size)
        for start in range(len(text))
        for size in range(min(longest, len(text) - start), 0, -1)
        if text[start : start + size] in words
    ]
    if reports == "words":
        return {text[start:end] for start, end in found}
    if reports == "all":
        return set(found)
    kept: set[object] = set()
    free = 0
    for start, end in found:
        if start >= free:
            kept.add((start, end))
            free = end
    return kept

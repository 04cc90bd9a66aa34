"""The shape of a chunker under test."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Chunking:
    """A library's call for one limit. `split` is what is timed."""

    name: str
    split: Callable[[str], object]
    """Gives chunks, or where they are."""
    texts: Callable[[str], list[str]]
    """For the check: the chunks as texts."""
    keeps_all: bool = True
    """True if the chunks, joined, are the text; the others drop white space at the cuts."""
    spans: bool = False
    """True if it only tells where the chunks are: less work than making them."""
    obeys: bool = True
    """False if a chunk may be longer than the limit."""
    comparable: bool = True
    """False for a lesser job."""

    @property
    def gives(self) -> str:
        return "spans" if self.spans else "split"


ENDS = tuple("。！？；.!?\n|`")
NO_ENDS = ("e.g.", "Mr.", "v2.", "$5.", " 3.")
"""Points of the documents that end no sentence."""


def share_of_good_cuts(chunks: list[str]) -> float:
    """How many of the cuts lie behind the end of a sentence, of a line, or of a block of Markdown."""
    before = [chunk.rstrip(" \t") for chunk in chunks[:-1]]
    good = sum(chunk.endswith(ENDS) and not chunk.endswith(NO_ENDS) for chunk in before)
    return good / max(1, len(before))

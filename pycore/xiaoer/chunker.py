"""Cuts text into chunks of bounded length, at the best place before the limit."""

from operator import index
from typing import TYPE_CHECKING, Literal

from xiaoer._backend import load

if TYPE_CHECKING or load("xiaoer_native") is not None:
    from xiaoer_native import Chunker as _Chunker
else:
    from xiaoer.pure.chunker import Chunker as _Chunker

__all__ = ["Chunker"]

ENCODINGS = ("o200k_base", "cl100k_base")
LARGEST_LIMIT = 2**31 - 1


class Chunker:
    """Cuts text into chunks of at most `limit` characters (code points).

    Each cut is the last place of the best kind within the limit: a blank line; before a heading; before a list
    item; the end of a sentence (Chinese, Japanese and Western, not after abbreviations or inside decimals); a line
    break; the end of a clause; between words; between grapheme clusters. Code fences and tables of Markdown stay
    whole where they fit the limit, and a heading stays with what follows it. A grapheme cluster (emoji with its
    joiners, letter with its accents, CR LF, a pair of surrogates) is cut only if it alone exceeds the limit.

    `overlap`: each chunk repeats as many whole sentences from the end of the chunk before it as fit in so many
    characters. They count towards the limit, and give way where the next sentence would not fit beside them. After
    a cut inside a sentence nothing is repeated.

    `unit`: "chars". "tokens" is not available yet and raises ValueError; `encoding` ("o200k_base" or "cl100k_base")
    is for that unit and does nothing now.

    Time is linear in the text; with overlap, in the text that comes out. A chunker never changes and may be shared
    between threads.

    Raises TypeError for an argument of a wrong type and ValueError for a wrong value: a limit below 1 or over
    2,147,483,647, an overlap that is negative or not below the limit, an unknown unit or encoding.

    >>> Chunker(8).split("你好。请问订单在哪里？")
    ['你好。', '请问订单在哪里？']
    """

    __slots__ = ("_kernel",)

    def __init__(
        self,
        limit: int,
        *,
        unit: Literal["chars", "tokens"] = "chars",
        overlap: int = 0,
        encoding: str = "o200k_base",
    ) -> None:
        limit, overlap = index(limit), index(overlap)
        if not 1 <= limit <= LARGEST_LIMIT:
            raise ValueError(f"limit is {limit}; it must be from 1 to {LARGEST_LIMIT}")
        if not 0 <= overlap < limit:
            raise ValueError(f"overlap is {overlap}; it must be from 0 to {limit - 1}, below the limit")
        if unit == "tokens":
            raise ValueError('unit="tokens" is not available yet; use unit="chars"')
        if unit != "chars":
            raise ValueError(f"unit is {unit!r}; it must be 'chars'")
        if encoding not in ENCODINGS:
            raise ValueError(f"encoding is {encoding!r}; it must be one of {', '.join(ENCODINGS)}")
        self._kernel = _Chunker(limit, overlap)

    def split(self, text: str) -> list[str]:
        """The chunks, in order. Without overlap, joined they are the text again. An empty text has none."""
        return self._kernel.split(text)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Start and end of each chunk in code points: `[text[start:end] for start, end in spans]` is `split`."""
        return self._kernel.spans(text)

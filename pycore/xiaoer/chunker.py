"""Cuts text into chunks of bounded length, at the best place before the limit."""

from operator import index
from typing import TYPE_CHECKING, Literal

from xiaoer._backend import load

if TYPE_CHECKING or load("xiaoer_native") is not None:
    from xiaoer_native import Chunker as _Chunker
    from xiaoer_native import count_tokens as _count_tokens
else:
    from xiaoer.pure.chunker import Chunker as _Chunker
    from xiaoer.pure.chunker import count_tokens as _count_tokens

__all__ = ["Chunker", "count_tokens"]

ENCODINGS = ("o200k_base", "cl100k_base")
LARGEST_LIMIT = 2**31 - 1


class Chunker:
    """Cuts text into chunks of at most `limit` characters (code points) or tokens.

    Each cut is the last place of the best kind within the limit: a blank line; before a heading (`#`, or underlined
    with `===` or `---`); before a list item; the end of a sentence (Chinese, Japanese and Western, not after
    abbreviations and initials or inside decimals, times and addresses of pages); a line break; the end of a clause;
    between words; between grapheme clusters. Code fences and tables of Markdown stay whole where they fit the limit,
    and a heading stays with what follows it. A grapheme cluster (emoji with its joiners, letter with its accents,
    CR LF, a pair of surrogates) is cut only if it alone exceeds the limit. Words are parted at blanks and between
    ideographs or kana; in scripts that write neither (Thai, Khmer) a cut may fall between any two clusters.

    So that a good place leaves no chunk nearly empty, ends of sentences and lines and all that is better are sought in
    the later half of what the limit allows, then down to an eighth of it; if there is none, clauses and words in the
    same way; then clusters. Only before a code fence or table that has to stay whole is a chunk shorter.

    `unit`: "chars", or "tokens" of the `encoding` "o200k_base" (GPT-4o and later) or "cl100k_base" (GPT-4, GPT-3.5,
    embeddings). No chunk has more tokens than the limit when it is encoded by itself, but for a single character that
    has more than that on its own. Special tokens such as `<|endoftext|>` are plain text, a surrogate alone counts as
    U+FFFD: `count_tokens` counts the same way. The tables are in xiaoer-native and are unpacked at first use, in
    about 0.1 s; with the pure backend "tokens" raises BackendError.

    `overlap`: each chunk repeats as many whole sentences from the end of the chunk before it as fit in so many
    characters or tokens. They count towards the limit, and give way where the next sentence would not fit beside
    them. After a cut inside a sentence nothing is repeated.

    Time is linear in the text; with overlap, in the text that comes out. Other threads run while a text of 65,536
    characters or more is cut. A chunker never changes and may be shared between threads.

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
        if unit not in ("chars", "tokens"):
            raise ValueError(f"unit is {unit!r}; it must be 'chars' or 'tokens'")
        _check_encoding(encoding)
        self._kernel = _Chunker(limit, overlap, encoding if unit == "tokens" else None)

    def split(self, text: str) -> list[str]:
        """The chunks, in order. Without overlap, joined they are the text again. An empty text has none."""
        return self._kernel.split(text)

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Start and end of each chunk in code points: `[text[start:end] for start, end in spans]` is `split`."""
        return self._kernel.spans(text)


def count_tokens(text: str, encoding: str = "o200k_base") -> int:
    """How many tokens OpenAI's models make of a text; what looks like a special token is plain text.

    `encoding`: "o200k_base" (GPT-4o and later) or "cl100k_base" (GPT-4, GPT-3.5, embeddings). A pair of surrogates is
    the character it stands for, a surrogate alone is U+FFFD, as in OpenAI's tiktoken.

    Raises ValueError for another encoding, TypeError if `text` is no string, BackendError with the pure backend: the
    tables (8 MB unpacked) are in xiaoer-native.

    >>> count_tokens("hello world")
    2
    """
    _check_encoding(encoding)
    return _count_tokens(text, encoding)


def _check_encoding(encoding: str) -> None:
    if encoding not in ENCODINGS:
        raise ValueError(f"encoding is {encoding!r}; it must be one of {', '.join(ENCODINGS)}")

"""The chunker in plain Python: the specification, and what runs where nobody built the native one."""

import re

from xiaoer.errors import BackendError
from xiaoer.pure._blocks import rank_lines
from xiaoer.pure._graphemes import clusters
from xiaoer.pure._marks import BLANKS, NEWLINES
from xiaoer.pure._phrases import rank_phrases
from xiaoer.pure._ranks import GRAPHEME, INSIDE, LINE, PARAGRAPH, SENTENCE, WORD

__all__ = ["Chunker", "count_tokens", "ranks"]

_WHITESPACE = BLANKS + NEWLINES
_CONTENT = re.compile(f"[{BLANKS}]*[^{BLANKS}{NEWLINES}]")


def ranks(text: str, limit: int) -> bytearray:
    """The rank of each of the `len(text) + 1` places. Time and memory are linear in the text."""
    places = bytearray([GRAPHEME]) * (len(text) + 1)
    rank_phrases(text, places)
    found = list(clusters(text))
    rank_lines(text, places, limit, {at for start, end in found for at in range(start + 1, end)})
    for start, end in found:
        places[start + 1 : end] = bytes(end - start - 1)
    return places


def count_tokens(text: str, encoding: str) -> int:
    """Raises BackendError: a twin of this would need megabytes of vocabularies in Python."""
    raise BackendError(f"the vocabulary of {encoding} is in xiaoer-native; the pure backend cannot count tokens")


class Chunker:
    """Cuts by code points. The arguments are checked by `xiaoer.chunker.Chunker`."""

    __slots__ = ("_limit", "_overlap")

    def __init__(self, limit: int, overlap: int, encoding: str | None = None) -> None:
        if encoding is not None:
            count_tokens("", encoding)
        self._limit = limit
        self._overlap = overlap

    def split(self, text: str) -> list[str]:
        """The chunks themselves."""
        return [text[start:end] for start, end in self.spans(text)]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Start and end of each chunk, in code points."""
        places = ranks(text, self._limit)
        found: list[tuple[int, int]] = []
        start = cut = 0  # of the chunk to come; where the one before it ended
        while len(text) - start > self._limit:
            cut = self._cut(text, places, start, cut)
            found.append((start, cut))
            start = self._next_start(text, places, start, cut)
        if text:
            found.append((start, len(text)))
        return found

    def _cut(self, text: str, places: bytearray, start: int, done: int) -> int:
        """Where to end the chunk that starts at `start`, beyond `done`, where the chunk before it ended.

        The last place of the best rank: the end of a line or sentence or what is better, then of a clause or word,
        then of a cluster; each in the later half of the window, or else beyond an eighth of it, so that no good place
        leaves a chunk nearly empty; at last, anything anywhere. Not one that would make a chunk of mere whitespace;
        where the window holds nothing else, the limit, and so where it holds nothing but the inside of a cluster.
        """
        reach = start + self._limit
        first = _skip_whitespace(text, done, reach) + 1
        half, eighth = start + self._limit // 2, start + self._limit // 8
        for floor, least in (half, LINE), (eighth, LINE), (half, WORD), (eighth, WORD), (half, GRAPHEME), (0, GRAPHEME):
            for rank in range(PARAGRAPH, least - 1, -1):
                at = places.rfind(rank, max(first, floor), reach + 1)
                if at >= 0:
                    return at
        return next((at for at in range(reach, done, -1) if places[at] != INSIDE), reach)

    def _next_start(self, text: str, places: bytearray, start: int, cut: int) -> int:
        """Where the chunk after `text[start:cut]` starts: `cut`, or as many whole sentences before it as fit.

        They fit if they are no longer than the overlap and leave room for the next sentence (if even alone that is
        longer than the limit: for the next cluster or kept block). A chunk is never repeated whole.
        """
        if not self._overlap or places[cut] < SENTENCE:
            return cut
        room = self._room_needed(text, places, cut, SENTENCE) or self._room_needed(text, places, cut, GRAPHEME)
        if room is None:
            return cut
        for at in range(max(cut - self._overlap, start + 1, cut + room - self._limit), cut):
            if places[at] >= SENTENCE and _starts_content(text, at):
                return at
        return cut

    def _room_needed(self, text: str, places: bytearray, cut: int, rank: int) -> int | None:
        """How far behind `cut` the next place of at least this rank lies, None if farther than the limit."""
        reach = cut + self._limit
        for at in range(_skip_whitespace(text, cut, reach) + 1, min(reach, len(text)) + 1):
            if places[at] >= rank or at == len(text):
                return at - cut
        return None


def _skip_whitespace(text: str, at: int, stop: int) -> int:
    while at < min(stop, len(text)) and text[at] in _WHITESPACE:
        at += 1
    return at


def _starts_content(text: str, at: int) -> bool:
    """Whether a sentence starts here and not elsewhere in the same gap; indentation belongs to the sentence."""
    return _CONTENT.match(text, at) is not None and (text[at] not in BLANKS or text[at - 1] in NEWLINES)

"""The word filter in plain Python: what `xiaoer.filter` promises, as short as it can be said.

An occurrence of a pattern is a run of characters of the text that fold to the pattern's, with nothing but noise
between them, as `Skip` allows. A pattern that has noise in it (`C++`) occurs only without further noise. An
occurrence counts unless an occurrence of an allowed text covers it.
"""

import threading
from collections import deque
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple, Self

from xiaoer._words import Fold, Match, Word
from xiaoer.errors import InvalidWord
from xiaoer.pure.automaton import Node, Pattern, build
from xiaoer.pure.characters import DIGIT, INVISIBLE, NOISE, SPACE, WORD, Characters

LONGEST_WORD = 1000


def check_str(value: object) -> None:
    """Raises TypeError for anything else: bytes would be taken for characters."""
    if not isinstance(value, str):
        raise TypeError(f"expected a str, not {type(value).__name__}")


class Compiled:
    """Words and allowed texts as automata. Never changes; scans under way keep theirs."""

    def __init__(
        self,
        words: dict[str, Word],
        allowed: dict[str, str],
        fold: Fold,
        skip: tuple[int, int] | None,
        whole_words: bool,
    ) -> None:
        self.characters = Characters(fold)
        self.skip = skip
        self.whole_words = whole_words
        merged: dict[str, Word | None] = {**words, **dict.fromkeys(allowed)}
        plain: list[Pattern] = []
        exact: list[Pattern] = []
        for key, word in merged.items():
            kinds = [self.characters[char][1] for char in key]
            latin = whole_words and all(kind & (WORD | NOISE) for kind in kinds) and any(k & WORD for k in kinds)
            pattern = Pattern(
                key,
                word,
                whole_start=bool(latin and kinds[0] & WORD),
                whole_end=bool(latin and kinds[-1] & WORD),
                pairs=sum(bool(a & b & WORD) for a, b in pairwise(kinds)),
            )
            (exact if skip is None or any(kind & NOISE for kind in kinds) else plain).append(pattern)
        self.plain = build(plain)
        self.exact = build(exact)
        self.longest = max(map(len, merged), default=1)


class Occurrence(NamedTuple):
    """Of a pattern, at `text[start:end]`."""

    start: int
    end: int
    pattern: Pattern


class Mark(NamedTuple):
    """A character that a walk accepted."""

    at: int
    spaced: int
    starts_word: bool


class Walk:
    """One automaton's way over the text: all of it, or all but its noise."""

    def __init__(self, root: Node, compiled: Compiled, *, over_noise: bool) -> None:
        self.root = self.node = root
        self.compiled = compiled
        self.over_noise = over_noise
        self.at = -1
        self.kinds = 0
        self.noise = 0
        self.spaced = 0
        self.trail: deque[Mark] = deque(maxlen=compiled.longest)

    def read(self, at: int, char: str, kinds: int, starts_word: bool) -> Iterator[Occurrence]:
        """Reads one folded character, and tells which patterns end with it."""
        if self.over_noise and kinds & NOISE:
            self.noise |= kinds
            return
        self._cross_gap(at, kinds)
        self.node = self.node.step(char)
        self.trail.append(Mark(at, self.spaced, starts_word))
        self.at, self.kinds, self.noise = at, kinds, 0
        for pattern in self.node.patterns():
            first = self.trail[-len(pattern.key)]
            # "pen is" is two words, not one with noise in it; "p e n i s" is one.
            whole = self.spaced - first.spaced in (0, pattern.pairs)
            if whole and (first.starts_word or not pattern.whole_start):
                yield Occurrence(first.at, at + 1, pattern)

    def _cross_gap(self, at: int, kinds: int) -> None:
        self._prune(at)
        if self.compiled.whole_words and self.noise:
            if self.kinds & kinds & DIGIT and self.noise & ~INVISIBLE:
                # A price, a date, a phone number: two numbers, not one with noise in it.
                self.node = self.root
            elif self.kinds & kinds & WORD and self.noise & SPACE:
                self.spaced += 1

    def _prune(self, at: int) -> None:
        """Gives up partial matches that hold more noise before position `at` than allowed."""
        if self.compiled.skip is None:
            return
        gap, total = self.compiled.skip
        if at - self.at - 1 > gap:
            self.node = self.root
        while self.node.depth and at - self.trail[-self.node.depth].at - self.node.depth > total:
            self.node = self.node.fail

    def live(self, at: int) -> int:
        """Where the longest partial match that may still grow starts; `at` if there is none."""
        self._prune(at)
        depth = self.node.live.depth
        return self.trail[-depth].at if depth else at


class Scan:
    """One pass over a text, whole or in pieces."""

    def __init__(self, compiled: Compiled) -> None:
        self.characters = compiled.characters
        self.walks = [
            Walk(compiled.plain, compiled, over_noise=True),
            Walk(compiled.exact, compiled, over_noise=False),
        ]
        self.position = 0
        self.kinds = 0
        self.occurrences: list[Occurrence] = []
        self.undecided: list[Occurrence] = []
        """End with the last character, if the next is no letter or digit."""

    def feed(self, text: str) -> None:
        check_str(text)
        for char in text:
            folded, kinds = self.characters[char]
            self._decide(stands_alone=not kinds & WORD)
            for walk in self.walks:
                for found in walk.read(self.position, folded, kinds, not self.kinds & WORD):
                    (self.undecided if found.pattern.whole_end else self.occurrences).append(found)
            self.kinds = kinds
            self.position += 1

    def finish(self) -> None:
        self._decide(stands_alone=True)

    def live(self) -> int:
        """Every occurrence that starts before this position is known."""
        starts = [found.start for found in self.undecided]
        return min([walk.live(self.position) for walk in self.walks] + starts)

    def _decide(self, *, stands_alone: bool) -> None:
        if stands_alone:
            self.occurrences += self.undecided
        self.undecided.clear()


def uncovered(occurrences: list[Occurrence]) -> Iterator[Occurrence]:
    """Those of words that no occurrence of an allowed text covers, by start, then end, then length of pattern."""
    reach = 0
    allowed_first = sorted(occurrences, key=lambda o: (o.start, o.pattern.word is not None))
    counted = []
    for found in allowed_first:
        if found.pattern.word is None:
            reach = max(reach, found.end)
        elif found.end > reach:
            counted.append(found)
    yield from sorted(counted, key=lambda o: (o.start, o.end, -len(o.pattern.key)))


def leftmost_longest(occurrences: list[Occurrence], start: int) -> Iterator[Occurrence]:
    """Of those from `start` on that overlap the leftmost, of those that start together the longest."""
    for found in sorted(uncovered(occurrences), key=lambda o: (o.start, -o.end)):
        if found.start >= start:
            start = found.end
            yield found


class WordFilter:
    """Base of `xiaoer.WordFilter`, which documents it and prepares the arguments."""

    _options: tuple[Fold, tuple[int, int] | None, bool]
    _allowed: dict[str, str]
    _words: dict[str, Word]
    _changing: threading.Lock
    _compiled: Compiled

    def __new__(
        cls, words: list[Word], allow: list[str], fold: int, skip: tuple[int, int] | None, whole_words: bool
    ) -> Self:
        self = super().__new__(cls)
        self._options = (Fold(fold), skip, whole_words)
        self._allowed = {self._key(text): text for text in allow}
        self._words = {}
        self._changing = threading.Lock()
        self.add(words)
        return self

    def _key(self, text: str) -> str:
        check_str(text)
        if not text:
            raise InvalidWord("a word is empty")
        if len(text) > LONGEST_WORD:
            raise InvalidWord(f"a word has {len(text)} characters; {LONGEST_WORD} are the most")
        characters = Characters(self._options[0])
        return "".join(characters[char][0] for char in text)

    def _swap(self, words: dict[str, Word]) -> None:
        self._compiled = Compiled(words, self._allowed, *self._options)
        self._words = words

    def contains(self, text: str) -> bool:
        return bool(self.find(text))

    def find(self, text: str) -> list[Match]:
        return [_match(found) for found in leftmost_longest(self._scan(text), 0)]

    def find_overlapping(self, text: str) -> list[Match]:
        return [_match(found) for found in uncovered(self._scan(text))]

    def replace(self, text: str, mask: str = "*") -> str:
        stream = self.stream(mask)
        return stream.feed(text) + stream.flush()

    def stream(self, mask: str = "*") -> "FilterStream":
        return FilterStream(self._compiled, mask)

    def add(self, words: list[Word]) -> None:
        added = {self._key(word.text): word for word in words}
        with self._changing:
            self._swap(self._words | added)

    def remove(self, words: list[Word]) -> None:
        removed = {self._key(word.text) for word in words}
        with self._changing:
            self._swap({key: word for key, word in self._words.items() if key not in removed})

    @property
    def words(self) -> list[Word]:
        return [word for _, word in sorted(self._words.items())]

    @property
    def allow(self) -> list[str]:
        return [text for _, text in sorted(self._allowed.items())]

    def _scan(self, text: str) -> list[Occurrence]:
        scan = Scan(self._compiled)
        scan.feed(text)
        scan.finish()
        return scan.occurrences


def _match(found: Occurrence) -> Match:
    assert found.pattern.word is not None
    return Match(found.start, found.end, found.pattern.word)


class FilterStream:
    """Masks hits in a text that comes in pieces."""

    def __init__(self, compiled: Compiled, mask: str) -> None:
        check_str(mask)
        self._compiled = compiled
        self._mask = mask
        self._begin()

    def _begin(self) -> None:
        self._scan = Scan(self._compiled)
        self._held = ""
        self._given = 0
        """Where `_held` starts in the whole text."""

    def feed(self, text: str) -> str:
        self._scan.feed(text)
        self._held += text
        return self._give_out(self._scan.live())

    def flush(self) -> str:
        self._scan.finish()
        rest = self._give_out(self._scan.position)
        self._begin()
        return rest

    def _give_out(self, live: int) -> str:
        """All before `live`, masked; if a hit reaches over it, to the end of that."""
        output = ""
        at = self._given
        known = [found for found in self._scan.occurrences if found.start < live]
        for hit in leftmost_longest(known, self._given):
            output += self._held[at - self._given : hit.start - self._given] + self._mask * (hit.end - hit.start)
            at = hit.end
        sure = max(at, live)
        output += self._held[at - self._given : sure - self._given]
        self._held = self._held[sure - self._given :]
        self._given = sure
        self._scan.occurrences = [found for found in self._scan.occurrences if found.end > live]
        return output

"""The word filter in plain Python: what `xiaoer.filter` promises, as short as it can be said.

An occurrence of a pattern is a run of characters of the text that fold to the pattern's, with nothing but noise
between them, as `Skip` allows. A pattern that has noise in it (`C++`) occurs only without further noise. A character
that folds to several is found whole or not at all. An occurrence counts unless an occurrence of an allowed text
covers it.

Where characters may be repeated, texts and patterns are read by runs of one character: a pattern occurs where each of
its runs is at least as long, from the first character of its first run until its last run is long enough. Noise
inside the first run counts for nothing.
"""

import threading
from collections import deque
from collections.abc import Iterator
from itertools import groupby, pairwise
from typing import NamedTuple, Self

from xiaoer._variants import spellings
from xiaoer._words import Fold, Match, Word
from xiaoer.errors import InvalidWord
from xiaoer.pure.automaton import Node, Pattern, build
from xiaoer.pure.characters import DIGIT, INVISIBLE, NOISE, SPACE, WORD, Characters, drops, kinds_of_folded

LONGEST_WORD = 1000


class Options(NamedTuple):
    """What is the same for all words of a filter."""

    fold: Fold
    skip: tuple[int, int] | None
    repeats: bool
    whole_words: bool


def check_str(value: object) -> None:
    """Raises TypeError for anything else: bytes would be taken for characters."""
    if not isinstance(value, str):
        raise TypeError(f"expected a str, not {type(value).__name__}")


def as_word(value: object) -> Word:
    """The word itself or the `Word` of a `str`; raises TypeError for anything else."""
    if isinstance(value, Word):
        return value
    if isinstance(value, str):
        return Word(value)
    raise TypeError(f"a word is a str or a Word, not {type(value).__name__}")


class Compiled:
    """Words and allowed texts as automata. Never changes; scans under way keep theirs."""

    def __init__(self, words: dict[str, Word], allowed: dict[str, str], options: Options) -> None:
        self.characters = Characters(options.fold)
        self.options = options
        variants: dict[str, Word] = {}
        for _, owner in sorted(words.items(), key=lambda pair: pair[0]):
            for text in spellings(owner.text, owner.variants):
                variants.setdefault(self.key(text), owner)
        merged: dict[str, Word | None] = {**variants, **words, **dict.fromkeys(allowed)}
        plain: list[Pattern] = []
        exact: list[Pattern] = []
        for key, word in merged.items():
            variant = word is not None and key not in words
            pattern = self._pattern(key, word, variant)
            noisy = any(kinds_of_folded(char) & NOISE for char in key)
            (exact if noisy or options.skip is None else plain).append(pattern)
        self.plain = build(plain)
        self.exact = build(exact)
        self.longest = max(map(len, merged), default=1)

    def key(self, text: str) -> str:
        """The folded text; raises InvalidWord if it is empty or too long."""
        check_str(text)
        key = "".join(self.characters[char][0] for char in text if not drops(char, self.options.fold))
        if not key:
            raise InvalidWord("a word is empty")
        if len(key) > LONGEST_WORD:
            raise InvalidWord(f"a word has {len(key)} characters; {LONGEST_WORD} are the most")
        return key

    def _pattern(self, key: str, word: Word | None, variant: bool) -> Pattern:
        runs = [(char, len(list(run))) for char, run in groupby(key)] if self.options.repeats else [(c, 1) for c in key]
        kinds = [kinds_of_folded(char) for char, _ in runs]
        latin = all(kind & (WORD | NOISE) for kind in kinds) and any(kind & WORD for kind in kinds)
        alone = self.options.whole_words and (latin or variant)
        return Pattern(
            "".join(char for char, _ in runs),
            tuple(length for _, length in runs),
            key,
            word,
            whole_start=bool(alone and kinds[0] & WORD),
            whole_end=bool(alone and kinds[-1] & WORD),
            pairs=sum(bool(a & b & WORD) for a, b in pairwise(kinds)),
            any_spacing=variant,
        )


class Occurrence(NamedTuple):
    """Of a pattern, at `text[start:end]`."""

    start: int
    end: int
    pattern: Pattern


class Mark:
    """A character that a walk accepted, or a run of one."""

    __slots__ = ("at", "begins", "passed", "run", "spaced", "starts_word")

    def __init__(self, at: int, passed: int, spaced: int, *, starts_word: bool, begins: bool) -> None:
        self.at = at
        self.passed = passed
        """Noise characters before it in the whole text; before the last one of a run."""
        self.spaced = spaced
        self.starts_word = starts_word
        self.begins = begins
        """It is not the second, third … of those that one character of the text folds to."""
        self.run = 1


class Walk:
    """One automaton's way over the text: all of it, or all but its noise."""

    def __init__(self, root: Node, compiled: Compiled, *, over_noise: bool) -> None:
        self.root = self.node = root
        self.options = compiled.options
        self.over_noise = over_noise
        self.at = -1
        self.char = ""
        self.kinds = 0
        self.noise = 0
        self.passed = 0
        self.spaced = 0
        self.trail: deque[Mark] = deque(maxlen=compiled.longest)

    def read(self, at: int, folded: str, kinds: int, starts_word: bool) -> Iterator[Occurrence]:
        """Reads one character, and tells which patterns end with it."""
        if self.over_noise and kinds & NOISE:
            self.noise |= kinds
            self.passed += 1
            return
        for place, char in enumerate(folded):
            kinds = kinds if len(folded) == 1 else kinds_of_folded(char)
            self._accept(at, char, kinds, starts_word=starts_word, begins=place == 0)
        for pattern in self.node.endings():
            marks = list(self.trail)[-len(pattern.key) :]
            first, last = marks[0], marks[-1]
            # "pen is" is two words, not one with noise in it; "p e n i s" is one.
            whole = pattern.any_spacing or self.spaced - first.spaced in (0, pattern.pairs)
            alone = first.starts_word or not pattern.whole_start
            runs = all(mark.run >= run for mark, run in zip(marks, pattern.runs, strict=True))
            if whole and alone and runs and last.run == pattern.runs[-1] and first.begins:
                yield Occurrence(first.at, at + 1, pattern)

    def _accept(self, at: int, char: str, kinds: int, *, starts_word: bool, begins: bool) -> None:
        repeats = self.options.repeats and char == self.char
        self._cross_gap(at, kinds, repeats=repeats)
        if repeats and self.node.depth:
            self.trail[-1].run += 1
            self.trail[-1].passed = self.passed
        else:
            self.node = self.node.step(char)
            self.trail.append(Mark(at, self.passed, self.spaced, starts_word=starts_word, begins=begins))
        self.at, self.char, self.kinds, self.noise = at, char, kinds, 0

    def _cross_gap(self, at: int, kinds: int, *, repeats: bool) -> None:
        if not self.noise:
            return
        self._prune(at)
        if self.options.whole_words:
            if self.kinds & kinds & DIGIT and self.noise & ~INVISIBLE:
                # A price, a date, a phone number: two numbers, not one with noise in it.
                self.node = self.root
            elif self.kinds & kinds & WORD and self.noise & SPACE and not repeats:
                self.spaced += 1

    def _prune(self, at: int) -> None:
        """Gives up partial matches that hold more noise before position `at` than allowed."""
        if self.options.skip is None:
            return
        gap, total = self.options.skip
        if at - self.at - 1 > gap:
            self.node = self.root
        while self.node.depth and self.passed - self.trail[-self.node.depth].passed > total:
            self.node = self.node.fail

    def live(self, at: int) -> int:
        """Where the longest partial match that may still grow starts; `at` if there is none."""
        self._prune(at)
        for node in self.node.suffixes():
            grows = node.children or any(pattern.runs[-1] > self.trail[-1].run for pattern in node.patterns)
            if grows and self.trail[-node.depth].begins:
                return self.trail[-node.depth].at
        return at


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
            # What is not seen does not end a word.
            if not kinds & INVISIBLE:
                self._decide(stands_alone=not kinds & WORD)
            for walk in self.walks:
                for found in walk.read(self.position, folded, kinds, not self.kinds & WORD):
                    (self.undecided if found.pattern.whole_end else self.occurrences).append(found)
            self.kinds = self.kinds if kinds & INVISIBLE else kinds
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
    yield from sorted(counted, key=lambda o: (o.start, o.end, -len(o.pattern.text), o.pattern.text))


def leftmost_longest(occurrences: list[Occurrence], start: int) -> Iterator[Occurrence]:
    """Of those from `start` on that overlap the leftmost, of those that start together the longest."""
    for found in sorted(uncovered(occurrences), key=lambda o: (o.start, -o.end)):
        if found.start >= start:
            start = found.end
            yield found


class WordFilter:
    """Base of `xiaoer.WordFilter`, which documents it and prepares the arguments."""

    _options: Options
    _allowed: dict[str, str]
    _words: dict[str, Word]
    _changing: threading.Lock
    _compiled: Compiled

    def __new__(
        cls,
        words: list[str | Word],
        allow: list[str],
        fold: int,
        skip: tuple[int, int] | None,
        repeats: bool,
        whole_words: bool,
    ) -> Self:
        self = super().__new__(cls)
        self._options = Options(Fold(fold), skip, repeats, whole_words)
        self._words = {}
        self._allowed = {}
        self._changing = threading.Lock()
        self._compiled = Compiled({}, {}, self._options)
        self._allowed = {self._compiled.key(text): text for text in allow}
        self._swap(self._keyed(words))
        return self

    def _keyed(self, words: list[str | Word]) -> dict[str, Word]:
        return {self._compiled.key(word.text): word for word in map(as_word, words)}

    def _swap(self, words: dict[str, Word]) -> None:
        self._compiled = Compiled(words, self._allowed, self._options)
        self._words = words

    def contains(self, text: str) -> bool:
        return bool(self._scan_for_hits(text))

    def find(self, text: str) -> list[Match]:
        return [_match(found) for found in self._scan_for_hits(text)]

    def find_overlapping(self, text: str) -> list[Match]:
        return [_match(found) for found in uncovered(self._scan(text))]

    def replace(self, text: str, mask: str = "*") -> str:
        stream = FilterStream(self._compiled, mask)
        return stream.feed(text) + stream.flush()

    def stream(self, mask: str = "*") -> "FilterStream":
        return FilterStream(self._compiled, mask)

    def add(self, words: list[str | Word]) -> None:
        added = self._keyed(words)
        with self._changing:
            self._swap(self._words | added)

    def remove(self, words: list[str | Word]) -> None:
        removed = self._keyed(words)
        with self._changing:
            self._swap({key: word for key, word in self._words.items() if key not in removed})

    @property
    def words(self) -> list[Word]:
        return self.snapshot()[0]

    @property
    def allow(self) -> list[str]:
        return [text for _, text in sorted(self._allowed.items())]

    def snapshot(self) -> tuple[list[Word], list[str], list[tuple[str, bytes]] | None]:
        """Words and allowed texts of one moment, and arrays that a file could hold: it has none."""
        words = self._words
        return [words[key] for key in sorted(words)], self.allow, None

    def __len__(self) -> int:
        return len(self._words)

    def _scan_for_hits(self, text: str) -> list[Occurrence]:
        return list(leftmost_longest(self._scan(text), 0))

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

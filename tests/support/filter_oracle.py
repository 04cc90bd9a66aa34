"""The word filter by trying every word at every place: slow, and too simple to be wrong in the same way."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

from xiaoer.pure.characters import DIGIT, INVISIBLE, NOISE, SPACE, WORD, fold_character, kinds_of_folded


class Hit(NamedTuple):
    start: int
    end: int
    text: str


@dataclass
class Oracle:
    """The options of a filter, and what follows from its documentation."""

    words: list[str]
    allow: list[str]
    fold: int
    skip: tuple[int, int]
    whole_words: bool
    repeats: bool = False

    def _folded(self, text: str) -> str:
        return "".join(fold_character(char, self.fold) for char in text)

    def _places(self, key: str, text: str, start: int, length: int) -> list[int] | None:
        """Where the first `length` characters of `key` stand in the folded `text` if its first is at `start`."""
        exact = any(kinds_of_folded(char) & NOISE for char in key)
        places = [start]
        if text[start] != key[0]:
            return None
        for char in key[1:length]:
            at = before = places[-1]
            at += 1
            while not exact and at < len(text) and kinds_of_folded(text[at]) & NOISE:
                at += 1
            if at == len(text) or text[at] != char or at - before - 1 > self.skip[0]:
                return None
            noise = [kinds_of_folded(skipped) for skipped in text[before + 1 : at]]
            both = kinds_of_folded(text[before]) & kinds_of_folded(text[at])
            if self.whole_words and both & DIGIT and any(kinds != INVISIBLE for kinds in noise):
                return None
            places.append(at)
        return places if places[-1] - start + 1 - length <= self.skip[1] else None

    def _is_latin(self, key: str) -> bool:
        kinds = [kinds_of_folded(char) for char in key]
        return self.whole_words and all(k & (WORD | NOISE) for k in kinds) and any(k & WORD for k in kinds)

    def _bounded(self, key: str, text: str, places: list[int]) -> bool:
        spacing = self._spacing_fits(text, list(pairwise(places)))
        return self._edges_fit(key, text, places[0], places[-1] + 1) and spacing

    def _edges_fit(self, key: str, text: str, start: int, end: int) -> bool:
        if not self._is_latin(key):
            return True
        before = next((kind for kind in map(kinds_of_folded, reversed(text[:start])) if not kind & INVISIBLE), 0)
        behind = next((kind for kind in map(kinds_of_folded, text[end:]) if not kind & INVISIBLE), 0)
        return not before & kinds_of_folded(key[0]) & WORD and not behind & kinds_of_folded(key[-1]) & WORD

    def _spacing_fits(self, text: str, neighbours: list[tuple[int, int]]) -> bool:
        if not self.whole_words:
            return True
        pairs = [
            any(kinds_of_folded(char) & SPACE for char in text[a + 1 : b])
            for a, b in neighbours
            if kinds_of_folded(text[a]) & kinds_of_folded(text[b]) & WORD
        ]
        return all(pairs) or not any(pairs)

    def _next(self, exact: bool, text: str, at: int) -> int | None:
        """The character that follows the one at `at`, noise aside, if there is not too much of it."""
        behind = at + 1
        while not exact and behind < len(text) and kinds_of_folded(text[behind]) & NOISE:
            behind += 1
        if behind == len(text) or behind - at - 1 > min(self.skip):
            return None
        noise = [kinds_of_folded(skipped) for skipped in text[at + 1 : behind]]
        digits = kinds_of_folded(text[at]) & kinds_of_folded(text[behind]) & DIGIT
        return None if self.whole_words and digits and any(kinds != INVISIBLE for kinds in noise) else behind

    def _spans_by_runs(self, key: str, text: str) -> Iterator[tuple[int, int]]:
        exact = any(kinds_of_folded(char) & NOISE for char in key)
        runs = [(char, len(list(run))) for char, run in groupby(key)]
        follows = {
            self._next(exact, text, at): at for at in range(len(text)) if exact or not kinds_of_folded(text[at]) & NOISE
        }
        for start in range(len(text)):
            before = follows.get(start)
            if text[start] != key[0] or (before is not None and text[before] == key[0]):
                continue
            places = self._runs_from(exact, runs, text, start)
            if places is not None:
                firsts = [run[0] for run in places]
                lasts = [run[-1] for run in places]
                if self._edges_fit(key, text, start, lasts[-1] + 1) and self._spacing_fits(
                    text, list(zip(lasts, firsts[1:], strict=False))
                ):
                    yield start, lasts[-1] + 1

    def _runs_from(self, exact: bool, runs: list[tuple[str, int]], text: str, start: int) -> list[list[int]] | None:
        """Places of the characters of each run if the first is at `start`."""
        places = [[start]]
        while len(places) < len(runs) or len(places[-1]) < runs[-1][1]:
            at = self._next(exact, text, places[-1][-1])
            if at is None:
                return None
            if text[at] == text[places[-1][-1]]:
                places[-1].append(at)
            elif (
                len(places[-1]) >= runs[len(places) - 1][1]
                and len(places) < len(runs)
                and text[at] == runs[len(places)][0]
            ):
                places.append([at])
            else:
                return None
            noise = at - places[0][-1] - 1 - sum(map(len, places[1:])) + 1
            if len(places) > 1 and noise > self.skip[1]:
                return None
        return places

    def _spans(self, word: str, text: str) -> Iterator[tuple[int, int]]:
        key = self._folded(word)
        if self.repeats:
            yield from self._spans_by_runs(key, text)
            return
        for start in range(len(text)):
            places = self._places(key, text, start, len(key))
            if places is not None and self._bounded(key, text, places):
                yield start, places[-1] + 1

    def find_overlapping(self, original: str) -> list[Hit]:
        text = self._folded(original)
        allowed = {self._folded(word) for word in self.allow}
        covers = [span for word in self.allow for span in self._spans(word, text)]
        latest = {self._folded(word): word for word in self.words}
        hits = [
            Hit(start, end, word)
            for key, word in latest.items()
            if key not in allowed
            for start, end in self._spans(word, text)
            if not any(a <= start and end <= b for a, b in covers)
        ]
        return sorted(hits, key=lambda hit: (hit.start, hit.end, -len(self._folded(hit.text)), self._folded(hit.text)))

    def find(self, text: str) -> list[Hit]:
        hits: list[Hit] = []
        for hit in sorted(
            self.find_overlapping(text),
            key=lambda h: (h.start, -h.end, -len(self._folded(h.text)), self._folded(h.text)),
        ):
            if not hits or hit.start >= hits[-1].end:
                hits.append(hit)
        return hits

    def replace(self, text: str, mask: str) -> str:
        for hit in reversed(self.find(text)):
            text = text[: hit.start] + mask * (hit.end - hit.start) + text[hit.end :]
        return text

    def partial_start(self, original: str) -> int:
        """Where the longest beginning of a word or allowed text starts that reaches the end of the text and may grow.

        Also an occurrence that ends with the text, if what comes next decides whether it stands alone.
        """
        text = self._folded(original)
        keys = [self._folded(word) for word in self.words + self.allow]
        reaching = (start for start in range(len(text)) if any(self._reaches_end(key, text, start) for key in keys))
        return next(reaching, len(text))

    def _reaches_end(self, key: str, text: str, start: int) -> bool:
        exact = any(kinds_of_folded(char) & NOISE for char in key)
        for length in range(1, len(key) + 1):
            places = self._places(key, text, start, length)
            if places is None:
                return False
            rest = text[places[-1] + 1 :]
            if length == len(key):
                undecided = self._is_latin(key) and kinds_of_folded(key[-1]) & WORD
                return (
                    all(kinds_of_folded(char) & INVISIBLE for char in rest)
                    and bool(undecided)
                    and self._bounded(key, text, places)
                )
            tail_fits = len(rest) <= self.skip[0] and len(text) - start - length <= self.skip[1]
            if not rest or (not exact and tail_fits and all(kinds_of_folded(char) & NOISE for char in rest)):
                return True
        return False

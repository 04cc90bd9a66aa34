"""How rare each word is in one tenant's articles, and what a mistyped word was meant to be."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from .concepts import WORDS
from .language import STOP_WORDS, is_cjk, stem, tokens
from .terms import Unit, terms_of

#: Shorter words have too many neighbours to guess from.
SHORTEST_CORRECTED = 6


class TopicWords(NamedTuple):
    """What one topic adds to a vocabulary: its distinct terms, and the Latin words that a visitor may mistype."""

    terms: frozenset[str]
    words: frozenset[str]

    @classmethod
    def of(cls, heads: str, bodies: str) -> TopicWords:
        """Of a topic's titles and asks, and of its bodies, in all languages."""
        asked, told = tokens(heads), tokens(bodies)
        in_heads = terms_of(asked)
        terms = in_heads | {term for term in terms_of(told) if term[0] != "#"}
        words = {word for word in (*asked, *told) if word.isalpha() and not is_cjk(word)} - STOP_WORDS
        return cls(frozenset(terms), frozenset(words))


class Saved(msgspec.Struct, array_like=True):
    """A vocabulary as it lies in a file."""

    topics: int
    counts: dict[str, int]
    words: dict[str, int]


class Vocabulary:
    """Counts in how many topics a term stands; about 100 bytes a distinct term. Topics come and go.

    A concept counts where titles and asks name it: articles mention most of them in passing. Every other word
    counts wherever it stands.

    Args:
        topics: For each topic its titles and asks, and its bodies, in all languages.
    """

    __slots__ = ("_counts", "_most", "_near", "_topics", "_words")

    def __init__(self, topics: Iterable[tuple[str, str]] = ()) -> None:
        self._counts: dict[str, int] = {}
        self._words: dict[str, int] = {}
        self._near: dict[tuple[str, int], dict[str, None]] = defaultdict(dict)
        self._topics = 0
        self._most = math.log(2)
        for word in WORDS - STOP_WORDS:
            self._near[word[0], len(word)][word] = None
        for heads, bodies in topics:
            self.add(TopicWords.of(heads, bodies))

    @classmethod
    def load(cls, data: bytes) -> Vocabulary:
        """What `dump` made.

        Raises:
            msgspec.DecodeError: it is something else.
        """
        saved = msgspec.msgpack.decode(data, type=Saved)
        made = cls()
        made._counts, made._words = saved.counts, saved.words
        for word in saved.words:
            if word:
                made._near[word[0], len(word)][word] = None
        made._resize(saved.topics)
        return made

    def dump(self) -> bytes:
        """All of it, for a file."""
        return msgspec.msgpack.encode(Saved(self._topics, self._counts, self._words))

    def add(self, topic: TopicWords) -> None:
        """Count a topic in."""
        counts, words = self._counts, self._words
        for term in topic.terms:
            counts[term] = counts.get(term, 0) + 1
        for word in topic.words:
            words[word] = words.get(word, 0) + 1
            self._near[word[0], len(word)][word] = None
        self._resize(self._topics + 1)

    def remove(self, topic: TopicWords) -> None:
        """Count out a topic that was counted in with the same words."""
        for term in topic.terms:
            _count_down(self._counts, term)
        for word in topic.words:
            if not _count_down(self._words, word) and word not in WORDS:
                self._near[word[0], len(word)].pop(word, None)
        self._resize(max(0, self._topics - 1))

    @property
    def topics(self) -> int:
        """How many topics were counted."""
        return self._topics

    def count(self, term: str) -> int:
        """In how many topics a term stands."""
        return self._counts.get(term, 0)

    def worth(self, unit: Unit) -> float:
        """Inverse document frequency, from about 0 (in every topic) to 1 (in none)."""
        if unit.key[0] == "#":
            return max(self._rarity(concept) for concept in unit.exact)
        return self._rarity(unit.key)

    def corrected(self, words: Sequence[str]) -> list[str]:
        """The words, those that nobody knows replaced by the known one that is one slip of the finger away."""
        return [self._meant(word) if self._unknown(word) else word for word in words]

    def _resize(self, topics: int) -> None:
        self._topics = topics
        self._most = math.log(2 * topics + 2)

    def _rarity(self, term: str) -> float:
        return math.log((self._topics + 1) / (self._counts.get(term, 0) + 0.5)) / self._most

    def _unknown(self, word: str) -> bool:
        if len(word) < SHORTEST_CORRECTED or word in STOP_WORDS or is_cjk(word) or not word.isalpha():
            return False
        return stem(word) not in self._counts and word not in WORDS

    def _meant(self, word: str) -> str:
        # The first letter counts as right, which is what keeps this fast and mostly true.
        near = [
            known
            for length in (len(word) - 1, len(word), len(word) + 1)
            for known in tuple(self._near.get((word[0], length), ()))
            if _one_slip(word, known)
        ]
        return max(near, key=lambda known: (known in WORDS, self._counts.get(stem(known), 0)), default=word)


def _count_down(counts: dict[str, int], key: str) -> int:
    left = counts.get(key, 0) - 1
    if left > 0:
        counts[key] = left
    else:
        counts.pop(key, None)
    return max(0, left)


def _one_slip(a: str, b: str) -> bool:
    """Whether one letter was left out, added, changed, or swapped with its neighbour."""
    if len(a) > len(b):
        a, b = b, a
    at = 0
    while at < len(a) and a[at] == b[at]:
        at += 1
    if len(a) < len(b):
        return a[at:] == b[at + 1 :]
    swapped = a[at : at + 2] == b[at : at + 2][::-1]
    return a[at + 1 :] == b[at + 1 :] or (swapped and a[at + 2 :] == b[at + 2 :])

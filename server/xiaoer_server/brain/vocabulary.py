"""How rare each word is in one tenant's articles, and what a mistyped word was meant to be."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from .concepts import WORDS
from .language import STOP_WORDS, is_cjk, stem, tokens
from .terms import Unit, terms_of

#: Shorter words have too many neighbours to guess from.
SHORTEST_CORRECTED = 6


class Vocabulary:
    """Built once from all topics of a tenant; about 100 bytes a distinct term.

    A concept counts where titles and asks name it: articles mention most of them in passing. Every other word
    counts wherever it stands.

    Args:
        topics: For each topic its titles and asks, and its bodies, in all languages.
    """

    __slots__ = ("_counts", "_most", "_topics", "_words")

    def __init__(self, topics: Iterable[tuple[str, str]]) -> None:
        counts: Counter[str] = Counter()
        words: set[str] = set(WORDS)
        self._topics = 0
        for heads, bodies in topics:
            self._topics += 1
            asked, told = tokens(heads), tokens(bodies)
            in_heads = terms_of(asked)
            counts.update(in_heads)
            counts.update(term for term in terms_of(told) - in_heads if term[0] != "#")
            words.update(word for word in (*asked, *told) if word.isalpha() and not is_cjk(word))
        self._counts = dict(counts)
        self._most = math.log(2 * self._topics + 2)
        self._words: dict[tuple[str, int], list[str]] = defaultdict(list)
        for word in sorted(words - STOP_WORDS):
            self._words[word[0], len(word)].append(word)

    def worth(self, unit: Unit) -> float:
        """Inverse document frequency, from about 0 (in every topic) to 1 (in none)."""
        if unit.key[0] == "#":
            return max(self._rarity(concept) for concept in unit.exact)
        return self._rarity(unit.key)

    def corrected(self, words: Sequence[str]) -> list[str]:
        """The words, those that nobody knows replaced by the known one that is one slip of the finger away."""
        return [self._meant(word) if self._unknown(word) else word for word in words]

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
            for known in self._words.get((word[0], length), ())
            if _one_slip(word, known)
        ]
        return max(near, key=lambda known: (known in WORDS, self._counts.get(stem(known), 0)), default=word)


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

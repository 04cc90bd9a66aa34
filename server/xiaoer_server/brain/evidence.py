"""How well a topic answers a question, as a number from 0 to 1 that can be compared across questions.

Each unit of a text is worth its rarity; what no article knows is worth the most, so that a question about something
else cannot score. Two texts agree as far as each covers the worth of the other (the harmonic mean of both shares,
so neither a long ask nor a short one wins by its length). The evidence of a topic is how far the question agrees
with its best title or ask, or, for less, with its best sentence, and to a small part how much of the question the
title, the asks and the passage cover together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .language import tokens
from .terms import Unit, terms_of, units
from .vocabulary import Vocabulary

#: A longer text is judged by its first units: a paste of 4,000 characters must not cost more than a question.
MOST_UNITS = 32

# Chosen on one half of the first questions of tests/data/shop_questions.jsonl and checked on the other half.
WEAK, SINGLE = 0.6, 0.35
COVERAGE, SENTENCE = 0.2, 0.7


class Weighed:
    """A text's units with their worth, and all its terms. Only the terms are made at once: most texts are not asked
    for more."""

    __slots__ = ("_reach", "_units", "_vocabulary", "_words", "_worth", "terms")

    def __init__(self, words: Sequence[str], vocabulary: Vocabulary) -> None:
        self._words = words
        self._vocabulary = vocabulary
        self._units: list[tuple[Unit, float]] | None = None
        self.terms = terms_of(words)

    @property
    def units(self) -> list[tuple[Unit, float]]:
        """The distinct units with their worth, at most `MOST_UNITS`."""
        # Two threads may both get here: the words are read before the look, and forgotten after the units are there.
        words = self._words
        if self._units is None:
            distinct: dict[Unit, float] = {}
            for unit in units(words):
                if len(distinct) >= MOST_UNITS:
                    break
                distinct[unit] = self._vocabulary.worth(unit)
            self._worth = sum(distinct.values())
            self._reach = frozenset(
                term for unit in distinct for term in (*unit.exact, *unit.weak, unit.single) if term
            )
            self._units = list(distinct.items())
            self._words = ()
        return self._units

    def covered_by(self, terms: frozenset[str]) -> float:
        """The share of this text's worth that a text of these terms covers."""
        weighed = self.units
        if not self._worth or self._reach.isdisjoint(terms):
            return 0.0
        return sum(worth * _match(unit, terms) for unit, worth in weighed) / self._worth

    def agreement(self, other: Weighed) -> float:
        """How far two texts say the same, 0 to 1."""
        return self.best([other])

    def best(self, others: Iterable[Weighed]) -> float:
        """The best agreement with one of these texts; 0 where there are none.

        A text that covers a share x of this one agrees by 2x / (1 + x) at most, so most are never weighed themselves.
        """
        shares = sorted(((self.covered_by(other.terms), at, other) for at, other in enumerate(others)), reverse=True)
        best = 0.0
        for there, _, other in shares:
            if 2 * there / (1 + there) <= best:
                break
            back = other.covered_by(self.terms)
            if back:
                best = max(best, 2 * there * back / (there + back))
        return best


def weigh(text: str, vocabulary: Vocabulary) -> Weighed:
    """Weigh a text as it is written."""
    return Weighed(tokens(text), vocabulary)


def evidence(asked: float, told: float, covered: float) -> float:
    """The evidence of a topic.

    Args:
        asked: The best agreement of the question with a title or ask.
        told: Its best agreement with a sentence of a passage.
        covered: The share of the question that title, asks and that passage cover together.
    """
    return (max(asked, SENTENCE * told) + COVERAGE * covered) / (1 + COVERAGE)


def _match(unit: Unit, terms: frozenset[str]) -> float:
    for term in unit.exact:
        if term in terms:
            return 1.0
    for term in unit.weak:
        if term in terms:
            return WEAK
    return SINGLE if unit.single in terms else 0.0

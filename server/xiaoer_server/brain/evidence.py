"""How well a topic answers a question, as a number from 0 to 1 that can be compared across questions.

Each unit of a text is worth its rarity; what no article knows is worth the most, so that a question about something
else cannot score. Two texts agree as far as each covers the worth of the other (the harmonic mean of both shares,
so neither a long ask nor a short one wins by its length). The evidence of a topic is how far the question agrees
with its best title or ask, or, for less, with its best sentence, and to a small part how much of the question the
title, the asks and the passage cover together.
"""

from __future__ import annotations

from collections.abc import Sequence

from .language import tokens
from .terms import Unit, terms_of, units
from .vocabulary import Vocabulary

#: A longer text is judged by its first units: a paste of 4,000 characters must not cost more than a question.
MOST_UNITS = 32

# Chosen on one half of the first questions of tests/data/shop_questions.jsonl and checked on the other half.
WEAK, SINGLE = 0.6, 0.35
COVERAGE, SENTENCE = 0.2, 0.7


class Weighed:
    """A text's units with their worth, and all its terms."""

    __slots__ = ("reach", "terms", "units", "worth")

    def __init__(self, words: Sequence[str], vocabulary: Vocabulary) -> None:
        distinct: dict[Unit, float] = {}
        for unit in units(words):
            if len(distinct) >= MOST_UNITS:
                break
            distinct[unit] = vocabulary.worth(unit)
        self.units = list(distinct.items())
        self.worth = sum(distinct.values())
        self.terms = terms_of(words)
        self.reach = frozenset(term for unit in distinct for term in (*unit.exact, *unit.weak, unit.single) if term)

    def covered_by(self, terms: frozenset[str]) -> float:
        """The share of this text's worth that a text of these terms covers."""
        if not self.worth or self.reach.isdisjoint(terms):
            return 0.0
        return sum(worth * _match(unit, terms) for unit, worth in self.units) / self.worth

    def agreement(self, other: Weighed) -> float:
        """How far two texts say the same, 0 to 1."""
        there = self.covered_by(other.terms)
        if not there:
            return 0.0
        back = other.covered_by(self.terms)
        return 2 * there * back / (there + back) if back else 0.0


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

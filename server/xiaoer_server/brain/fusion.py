"""How the search by words and the search by meaning are joined.

Which topics are looked at is decided by reciprocal rank (Cormack, Clarke and Büttcher, SIGIR 2009): a topic that either
search puts far ahead is seen, whatever the other one says. How much evidence each of them is, is a probability that
an answer rests on: a logistic regression on the evidence of the words and on the cosines, of one encoder each, so
that 0.5 keeps meaning "rather right than wrong" and a question about something else stays without an answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from .vectors import Hit

Key = TypeVar("Key")

#: The constant of reciprocal rank fusion, as its authors chose it.
RANK = 60


class Nearness(NamedTuple):
    """The best cosines of a topic with the question: of a title or ask, and of a text."""

    asked: float
    told: float


class Calibration(NamedTuple):
    """What a logistic regression found: log odds = constant + the sum of weight times feature."""

    constant: float
    words: float
    asked: float
    told: float

    def evidence(self, words: float, near: Nearness) -> float:
        """How sure it is that a topic answers, from 0 to 1.

        Args:
            words: Evidence of the words, 0 to 1.
            near: The topic's cosines.
        """
        odds = self.constant + self.words * words + self.asked * near.asked + self.told * near.told
        return 1 / (1 + math.exp(-max(-40.0, min(40.0, odds))))


#: By the name of the encoder. Fitted on tests/data/shop_questions.jsonl: each topic that one of the 359 questions
#: proposes, and whether it is right. Of 16 topics that are proposed one is right, so the regression's own middle is
#: too careful; the constant is moved by ln 4, so that 0.5 answers as many of those questions rightly as words alone
#: do (0.86), half as many that the shop cannot answer (0.04).
CALIBRATIONS: Mapping[str, Calibration] = {"e5-small": Calibration(-45.46, 10.63, 40.34, 4.02)}


def calibration_of(encoder: str) -> Calibration | None:
    """How the cosines of this encoder are to be read; None if that was never measured: then its hits are looked at,
    and the words alone are evidence."""
    return CALIBRATIONS.get(encoder.partition("@")[0])


def reciprocal_rank(rankings: Iterable[Sequence[Key]]) -> dict[Key, float]:
    """The sum of 1 / (60 + rank) over rankings, of whatever stands in any of them, best first."""
    sums: dict[Key, float] = {}
    for ranking in rankings:
        for rank, key in enumerate(dict.fromkeys(ranking), 1):
            sums[key] = sums.get(key, 0.0) + 1 / (RANK + rank)
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def nearness(hits: Iterable[Hit], topics: Mapping[int, str]) -> dict[str, Nearness]:
    """The best cosines of each topic. Where there is none, the topic has that of the last hit at most, and is given
    that."""
    found = list(hits)
    floor = min((hit.cosine for hit in found), default=0.0)
    near: dict[str, Nearness] = {}
    for hit in found:
        topic = topics.get(hit.chunk)
        if topic is None:
            continue
        asked, told = near.get(topic, Nearness(floor, floor))
        near[topic] = Nearness(max(asked, hit.cosine), told) if hit.part else Nearness(asked, max(told, hit.cosine))
    return near

"""How often a cache answers, and how often wrongly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from .labelled import LabelledPair


class Rates(msgspec.Struct, frozen=True):
    """Of one method at one threshold.

    `hit_rate` is hits / asked, `recall` right hits / askings that have an answer there, `wrong` wrong hits / hits whose
    labels say what they are (None without one). `unlabelled` hits are neither right nor wrong.
    """

    method: str
    threshold: float | None
    asked: int
    answerable: int
    hits: int
    wrong_hits: int
    unlabelled: int = 0

    @property
    def hit_rate(self) -> float:
        return self.hits / max(1, self.asked)

    @property
    def recall(self) -> float:
        return (self.hits - self.wrong_hits - self.unlabelled) / max(1, self.answerable)

    @property
    def wrong(self) -> float | None:
        labelled = self.hits - self.unlabelled
        return self.wrong_hits / labelled if labelled else None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        derived = {"hit_rate": self.hit_rate, "recall": self.recall, "wrong": self.wrong}
        return msgspec.structs.asdict(self) | derived


def rates(
    method: str,
    threshold: float | None,
    hits: NDArray[np.bool_],
    right: NDArray[np.bool_],
    answerable: int,
    known: NDArray[np.bool_] | None = None,
) -> Rates:
    """Count. `hits[i]`: the i-th asking was answered; `right[i]`: the answer that it would get is right; `known[i]`:
    the labels say whether it is (None: all of them)."""
    unlabelled = 0 if known is None else int((hits & ~known).sum())
    wrong = int((hits & ~right).sum()) - unlabelled
    return Rates(method, threshold, len(hits), answerable, int(hits.sum()), wrong, unlabelled)


class Labels:
    """What labelled pairs say of any two of their texts: the same, directly or through others; different; nothing."""

    def __init__(self, pairs: Sequence[LabelledPair]) -> None:
        self._cluster = clusters(pairs)
        of = self._cluster
        self._different = {frozenset((of[p.first], of[p.second])) for p in pairs if not p.same}
        self.kept = list(dict.fromkeys(pair.first for pair in pairs))
        self.asked = list(dict.fromkeys(pair.second for pair in pairs))
        there = {of[text] for text in self.kept}
        self.answerable = sum(of[text] in there for text in self.asked)

    def same(self, one: str, other: str) -> bool | None:
        """None where the labels do not say."""
        pair = frozenset((self._cluster[one], self._cluster[other]))
        if len(pair) == 1:
            return True
        return False if pair in self._different else None

    def rates(self, method: str, threshold: float | None, found: Sequence[str | None]) -> Rates:
        """Of answers that were given for `asked`: the kept question of each, None where there was none."""
        said = [None if hit is None else self.same(hit, text) for hit, text in zip(found, self.asked, strict=True)]
        hits = np.array([hit is not None for hit in found])
        right = np.array([each is True for each in said])
        known = np.array([each is not None for each in said])
        return rates(method, threshold, hits, right, self.answerable, known)


def clusters(pairs: Sequence[LabelledPair]) -> dict[str, int]:
    """Text → a number that all texts share which are the same by the labels, directly or through others."""
    parent: dict[str, str] = {}

    def root(text: str) -> str:
        while parent.setdefault(text, text) != text:
            parent[text] = parent[parent[text]]
            text = parent[text]
        return text

    for pair in pairs:
        first, second = root(pair.first), root(pair.second)
        if pair.same:
            parent[first] = second
    numbers: dict[str, int] = {}
    return {text: numbers.setdefault(root(text), len(numbers)) for text in list(parent)}


def percentile(seconds: Sequence[float], share: float) -> float:
    """In milliseconds."""
    return float(np.percentile(np.asarray(seconds), share * 100)) * 1_000 if seconds else 0.0

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

    `hit_rate` is hits / asked, `recall` right hits / askings that have an answer there, `wrong` wrong hits / hits
    (None without a hit).
    """

    method: str
    threshold: float | None
    asked: int
    answerable: int
    hits: int
    wrong_hits: int

    @property
    def hit_rate(self) -> float:
        return self.hits / max(1, self.asked)

    @property
    def recall(self) -> float:
        return (self.hits - self.wrong_hits) / max(1, self.answerable)

    @property
    def wrong(self) -> float | None:
        return self.wrong_hits / self.hits if self.hits else None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        derived = {"hit_rate": self.hit_rate, "recall": self.recall, "wrong": self.wrong}
        return msgspec.structs.asdict(self) | derived


def rates(
    method: str, threshold: float | None, hits: NDArray[np.bool_], right: NDArray[np.bool_], answerable: int
) -> Rates:
    """Count. `hits[i]`: the i-th asking was answered; `right[i]`: the answer that it would get is right."""
    return Rates(method, threshold, len(hits), answerable, int(hits.sum()), int((hits & ~right).sum()))


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

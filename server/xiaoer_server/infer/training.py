"""Training a head on vectors that do not change: seconds, without torch.

Logistic regression of scikit-learn on vectors that are whitened in part: the directions in which all texts of an
encoder differ most (their length, their language) say least of what is asked, and are made smaller.

What the head's two probabilities mean is measured on texts that it was not trained on. The examples are split in four;
each round also leaves a quarter of the intents out altogether. The rest of a round's texts are in scope and give the
temperature; those of the intents left out stand for what nobody wrote examples of, and give the curve of the scope.
So no examples of what is out of scope are needed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from .head import EXEMPLARS, Floats, Head, Header, Weights, softmax, whitened

#: Of each intent there must be so many examples, and of intents so many.
EXAMPLES, INTENTS = 4, 2

#: How much of the mean variance is added to that of each direction before it is divided by: 0 whitens wholly.
SMOOTHING = 1.0

#: The inverse of the penalty on the weights. Both were chosen on a part of CLINC150's and BANKING77's training sets.
PENALTY = 10.0

ROUNDS = 4

#: More examples than this of one intent do not make the calibration better, only slower.
CALIBRATED_ON = 40

_SEED = 20_260_101


class TrainingError(Exception):
    """The examples are too few, or the vectors cannot be used. One line."""


class Trained(msgspec.Struct, frozen=True):
    """A head and how it came about. `report` is what a version keeps."""

    head: Head
    report: dict[str, Any]


def train(
    embeddings: Floats,
    labels: Sequence[str],
    *,
    encoder: str,
    progress: Callable[[str], object] = lambda line: None,
) -> Trained:
    """Train a head on vectors, shape (n, d), of length 1, and their intents.

    Raises:
        TrainingError: fewer than two intents, an intent of fewer than four examples, vectors that are not finite, or
            scikit-learn is not installed.
    """
    began = time.monotonic()
    check(labels)
    if embeddings.shape[0] != len(labels) or not np.isfinite(embeddings).all():
        raise TrainingError(f"vectors of shape {embeddings.shape} for {len(labels)} examples, or not all finite")
    names = sorted(set(map(str, labels)))
    numbers = np.array([names.index(label) for label in labels])
    progress(f"calibrating on {ROUNDS} parts")
    temperature, scale, middle, unknown = _calibrate(embeddings, numbers, len(names))
    progress(f"training on {len(labels)} examples of {len(names)} intents")
    weights = _fit(embeddings, numbers)
    counts = np.diff([*weights.starts, len(weights.examples)]).tolist()
    step = float(np.abs(weights.examples).max()) / 127
    header = Header(encoder, int(embeddings.shape[1]), names, temperature, scale, middle, counts, step)
    report = {
        "examples": len(labels),
        "intents": len(names),
        "temperature": round(temperature, 4),
        "unseen_intents_auroc": round(unknown, 4),
        "seconds": round(time.monotonic() - began, 2),
    }
    return Trained(Head(header, weights), report)


def check(labels: Sequence[str]) -> None:
    """Whether there is enough to train on.

    Raises:
        TrainingError: there is not; the message names what is missing.
    """
    counts = Counter(labels)
    if len(counts) < INTENTS:
        raise TrainingError(f"there are {len(counts)} intents; at least {INTENTS} are needed")
    few = sorted(intent for intent, count in counts.items() if count < EXAMPLES)
    if few:
        shown = ", ".join(f"{intent} ({counts[intent]})" for intent in few[:5])
        raise TrainingError(f"at least {EXAMPLES} examples an intent are needed; too few have: {shown}")


def folds(numbers: NDArray[np.int64], count: int, seed: int = _SEED) -> NDArray[np.int64]:
    """A part from 0 to count-1 for each example, such that every intent is spread evenly."""
    random = np.random.default_rng(seed)
    found = np.zeros(len(numbers), np.int64)
    for number in np.unique(numbers):
        rows = random.permutation(np.flatnonzero(numbers == number))
        found[rows] = (np.arange(len(rows)) + random.integers(count)) % count
    return found


def _fit(embeddings: Floats, numbers: NDArray[np.int64]) -> Weights:
    try:
        from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    except ImportError as error:
        raise TrainingError(f"training needs scikit-learn: pip install 'xiaoer[models]' ({error})") from None
    mean = embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
    values, vectors = np.linalg.eigh(np.cov((embeddings - mean).T.astype(np.float64)))
    values = np.maximum(values, 0.0)
    scaled = vectors / np.sqrt(values + SMOOTHING * values.mean() + 1e-12)
    whiten = np.ascontiguousarray(scaled, np.float32)
    turned = whitened(embeddings, mean, whiten)
    model = LogisticRegression(C=PENALTY, max_iter=300, tol=1e-3)
    model.fit(turned, numbers)
    rows, bias = model.coef_.astype(np.float32), model.intercept_.astype(np.float32)
    if len(rows) == 1:
        # Two classes have one row, for the second.
        rows, bias = np.concatenate([-rows / 2, rows / 2]), np.concatenate([-bias / 2, bias / 2])
    return Weights(mean, whiten, rows, bias, *_examples(turned, numbers))


def _examples(turned: Floats, numbers: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    """The examples that a head keeps, intent by intent, and where each intent's begin."""
    random = np.random.default_rng(_SEED)
    most = max(1, EXEMPLARS // (int(numbers.max()) + 1))
    taken = [random.permutation(np.flatnonzero(numbers == number))[:most] for number in np.unique(numbers)]
    starts = np.cumsum([0, *(len(rows) for rows in taken[:-1])])
    return np.ascontiguousarray(turned[np.concatenate(taken)]), starts


def cross_validate(embeddings: Floats, numbers: NDArray[np.int64], count: int = 5) -> NDArray[np.float64]:
    """Raw scores of every example by a head that was trained without it, shape (n, intents)."""
    found = np.zeros((len(numbers), int(numbers.max()) + 1))
    part = folds(numbers, count)
    for held in range(count):
        found[part == held] = _fit(embeddings[part != held], numbers[part != held]).scores(embeddings[part == held])
    return found


def _calibrate(embeddings: Floats, numbers: NDArray[np.int64], intents: int) -> tuple[float, float, float, float]:
    """Temperature, slope and middle of the scope's curve, and the AUROC of known against unknown intents."""
    random = np.random.default_rng(_SEED)
    taken = np.concatenate(
        [random.permutation(np.flatnonzero(numbers == number))[:CALIBRATED_ON] for number in range(intents)]
    )
    embeddings, numbers = embeddings[taken], numbers[taken]
    part = folds(numbers, ROUNDS)
    # With two or three intents, leaving one out leaves nothing to tell apart: then texts of the others stand in.
    group = random.permutation(np.arange(intents) % ROUNDS) if intents > INTENTS + 1 else np.full(intents, -1)
    known: list[NDArray[np.float64]] = []
    targets: list[NDArray[np.int64]] = []
    tops: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for held in range(ROUNDS):
        away = group[numbers] == held
        fitted, heard = ~away & (part != held), ~away & (part == held)
        left = np.unique(numbers[fitted])
        if len(left) < INTENTS or not heard.any():
            continue
        weights = _fit(embeddings[fitted], np.searchsorted(left, numbers[fitted]))
        raw = weights.scores(embeddings[heard])
        known.append(_widened(raw, intents))
        targets.append(np.searchsorted(left, numbers[heard]))
        tops.append((raw.max(axis=1), weights.scores(embeddings[away]).max(axis=1) if away.any() else np.zeros(0)))
    temperature = _temperature(np.concatenate(known), np.concatenate(targets))
    inner = np.concatenate([top for top, _ in tops])
    outer = np.concatenate([top for _, top in tops])
    if not len(outer):
        # Nothing to measure against: what 97 % of the known texts exceed is inside.
        return temperature, 4.0 / max(float(inner.std()), 1e-6), float(np.quantile(inner, 0.03)), float("nan")
    return temperature, *_curve(inner, outer), auroc(inner, outer)


def _widened(raw: NDArray[np.float64], intents: int) -> NDArray[np.float64]:
    """With columns for intents that were left out, which cannot win."""
    return np.pad(raw, ((0, 0), (0, intents - raw.shape[1])), constant_values=-1e9)


def _temperature(raw: NDArray[np.float64], targets: NDArray[np.int64]) -> float:
    """The one under which the right intents are likeliest; a search by golden section over its logarithm."""
    rows = np.arange(len(targets))

    def loss(power: float) -> float:
        return -float(np.log(np.maximum(softmax(raw / np.exp(power))[rows, targets], 1e-12)).mean())

    low, high, ratio = -3.0, 3.0, (5**0.5 - 1) / 2
    for _ in range(30):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return float(np.exp((low + high) / 2))


def _curve(inner: NDArray[np.float64], outer: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and middle of the logistic curve between two samples that count the same, by Newton's method."""
    tops = np.concatenate([inner, outer])
    mean, spread = float(tops.mean()), max(float(tops.std()), 1e-6)
    rows = np.stack([(tops - mean) / spread, np.ones(len(tops))], axis=1)
    wanted = np.concatenate([np.ones(len(inner)), np.zeros(len(outer))])
    weight = np.concatenate([np.full(len(inner), 0.5 / len(inner)), np.full(len(outer), 0.5 / len(outer))])
    curve = np.array([1.0, 0.0])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-np.clip(rows @ curve, -30, 30)))
        slope = rows.T @ (weight * (wanted - chance)) - 1e-3 * curve
        bend = (rows * (weight * chance * (1 - chance))[:, None]).T @ rows + 1e-3 * np.eye(2)
        step = np.linalg.solve(bend, slope)
        curve += step
        if float(np.abs(step).max()) < 1e-9:
            break
    scale = max(float(curve[0]), 1e-3) / spread
    return scale, mean - float(curve[1]) / scale


def auroc(inner: NDArray[np.float64], outer: NDArray[np.float64]) -> float:
    """How probably a score of the first is above one of the second (the area under the ROC curve)."""
    order = np.sort(outer)
    below = np.searchsorted(order, inner, "left") + np.searchsorted(order, inner, "right")
    return float(below.mean() / (2 * max(1, len(outer))))


__all__ = ["Trained", "TrainingError", "auroc", "check", "cross_validate", "folds", "train"]

"""A linear head: from an encoder's vectors to intents, with NumPy alone.

A vector is centred, whitened in part, brought to length 1 and multiplied by one row an intent. To that comes how many
examples of the intent are how near: the logarithm of a sum over them that falls with the distance. It helps where an
intent is asked for in several unlike ways. Softmax at a calibrated temperature gives the probabilities. The largest of
the raw scores tells what is out of scope: on texts that no intent
was trained for all rows stay low. A logistic curve, fitted while training, makes a probability of it.

The bytes of a head: eight of magic, the length of a JSON header, the header, then arrays of little-endian float32, one
behind the other, and the examples' vectors in int8. Nothing in it is code, and every size is checked before it is
believed.
"""

from __future__ import annotations

import math
import struct
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from .interface import Scores

MAGIC = b"XIAOERH\x01"

#: The most that a head may claim: intents, dimensions of a vector.
LABELS, DIMENSIONS = 2_000, 4_096

#: Vectors of examples that a head keeps at most, and how their nearness counts: exp(SHARPNESS · (cosine - 1)), and
#: NEARNESS times the logarithm of the sum is added to the score.
EXEMPLARS, SHARPNESS, NEARNESS = 9_000, 10.0, 0.5

#: Alternatives that are told.
TOP = 5

_LENGTH = struct.Struct("<I")

Floats = NDArray[np.float32]


class HeadError(Exception):
    """Bytes that are no head, or a head that does not go with the encoder. One line."""


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What stands in front of the arrays.

    Args:
        encoder: Version of the encoder whose vectors it was trained on.
        labels: The intents, sorted.
        temperature: By which the scores are divided before softmax.
        scope_scale: Slope of the curve from the largest score to the probability of being in scope.
        scope_middle: The score at which that is one half.
        counts: How many vectors of examples each intent has, in the order of the labels.
        step: What 1 in the vectors of examples stands for.
    """

    encoder: Annotated[str, Meta(min_length=1, max_length=128)]
    dimensions: Annotated[int, Meta(ge=1, le=DIMENSIONS)]
    labels: Annotated[list[Annotated[str, Meta(min_length=1, max_length=64)]], Meta(min_length=2, max_length=LABELS)]
    temperature: Annotated[float, Meta(gt=0)]
    scope_scale: Annotated[float, Meta(gt=0)]
    scope_middle: float
    counts: Annotated[list[Annotated[int, Meta(ge=1, le=EXEMPLARS)]], Meta(min_length=2, max_length=LABELS)]
    step: Annotated[float, Meta(gt=0, le=1)]


class Weights(NamedTuple):
    """What a vector goes through.

    Args:
        mean: What vectors are centred by, shape (d,).
        whiten: What they are multiplied by then, shape (d, d).
        rows: A row an intent, in the order of the labels, shape (n, d).
        bias: Shape (n,).
        examples: Vectors of examples after whitening, intent by intent, shape (m, d).
        starts: Where each intent's examples begin, shape (n,).
    """

    mean: Floats
    whiten: Floats
    rows: Floats
    bias: Floats
    examples: Floats
    starts: NDArray[np.int64]

    def scores(self, embeddings: Floats) -> NDArray[np.float64]:
        """Raw scores, shape (k, n), of vectors of shape (k, d)."""
        turned = whitened(embeddings, self.mean, self.whiten)
        near = np.exp(SHARPNESS * ((turned @ self.examples.T).astype(np.float64) - 1.0))
        sums = np.add.reduceat(near, self.starts, axis=1)
        found: NDArray[np.float64] = turned @ self.rows.T + self.bias + NEARNESS * np.log(sums + 1e-9)
        return found


class Head:
    """A trained head."""

    __slots__ = ("header", "weights")

    def __init__(self, header: Header, weights: Weights) -> None:
        self.header = header
        self.weights = weights

    @classmethod
    def load(cls, content: bytes, *, encoder: str | None = None) -> Head:
        """Read the bytes of `dump`.

        Args:
            encoder: The encoder's version, where it must be that.

        Raises:
            HeadError: the bytes are damaged or of another format, or belong to another encoder.
        """
        start = len(MAGIC) + _LENGTH.size
        if len(content) < start or not content.startswith(MAGIC):
            raise HeadError("these bytes are no head of this version")
        (length,) = _LENGTH.unpack_from(content, len(MAGIC))
        try:
            header = msgspec.json.decode(content[start : start + length], type=Header)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise HeadError(f"the head's header is damaged: {error}") from None
        if encoder is not None and header.encoder != encoder:
            raise HeadError(f"the head belongs to the encoder {header.encoder}, and this is {encoder}; train again")
        size, count, kept = header.dimensions, len(header.labels), sum(header.counts)
        if len(set(header.labels)) != count or len(header.counts) != count or kept > EXEMPLARS:
            raise HeadError("the head has a label twice, or its counts do not go with its labels")
        shapes = ((size,), (size, size), (count, size), (count,))
        sizes = [math.prod(shape) for shape in shapes]
        start += length
        if len(content) - start != 4 * sum(sizes) + kept * size:
            raise HeadError(f"the head has {len(content)} bytes, its header promises another number")
        numbers = np.frombuffer(content, "<f4", sum(sizes), start).astype(np.float32)
        if not np.isfinite(numbers).all() or not math.isfinite(header.scope_middle):
            raise HeadError("the head has numbers that are not finite")
        parts = np.split(numbers, np.cumsum(sizes)[:-1])
        mean, whiten, rows, bias = (part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
        examples = np.frombuffer(content, "i1", kept * size, start + 4 * sum(sizes)).reshape(kept, size)
        starts = np.cumsum([0, *header.counts[:-1]])
        return cls(header, Weights(mean, whiten, rows, bias, examples * np.float32(header.step), starts))

    def dump(self) -> bytes:
        """The bytes that `load` reads; equal heads have equal bytes."""
        header = msgspec.json.encode(self.header)
        weights = self.weights
        packed = (np.ascontiguousarray(array, "<f4").tobytes() for array in weights[:4])
        examples = np.rint(weights.examples / np.float32(self.header.step)).astype(np.int8).tobytes()
        return b"".join([MAGIC, _LENGTH.pack(len(header)), header, *packed, examples])

    def logits(self, embeddings: Floats) -> NDArray[np.float64]:
        """Raw scores, shape (n, labels), of vectors of shape (n, d).

        Raises:
            HeadError: the vectors are of another dimension, or not finite.
        """
        if embeddings.ndim != 2 or embeddings.shape[1] != self.header.dimensions:
            raise HeadError(f"vectors of shape {embeddings.shape}, the head takes (n, {self.header.dimensions})")
        if not np.isfinite(embeddings).all():
            raise HeadError("a vector is not finite")
        return self.weights.scores(embeddings)

    def scores(self, embeddings: Floats) -> list[Scores]:
        """What the head says of each vector: the best five intents, and the probability of being in scope.

        Raises:
            HeadError: as `logits`.
        """
        raw = self.logits(embeddings)
        inside = self.inside(raw)
        chances = softmax(raw / self.header.temperature)
        labels = self.header.labels
        best = np.argsort(-chances, axis=1, kind="stable")[:, :TOP]
        return [
            Scores([(labels[at], float(row[at])) for at in order], float(scope))
            for row, order, scope in zip(chances, best, inside, strict=True)
        ]

    def inside(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of being in scope of each row of `logits`."""
        header = self.header
        reach = np.clip(header.scope_scale * (raw.max(axis=1) - header.scope_middle), -500, 500)
        found: NDArray[np.float64] = 1.0 / (1.0 + np.exp(-reach))
        return found


def whitened(embeddings: Floats, mean: Floats, whiten: Floats) -> Floats:
    """Centred, whitened and of length 1 again."""
    turned = (embeddings - mean) @ whiten
    found: Floats = turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12)
    return found


def softmax(raw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Row by row."""
    powers = np.exp(raw - raw.max(axis=1, keepdims=True))
    found: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return found


__all__ = ["Floats", "Head", "HeadError", "Header", "Weights", "softmax", "whitened"]

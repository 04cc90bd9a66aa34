"""What the chat sees of the model process. Every call has a deadline and never hangs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

Kind = Literal["query", "passage"]

Vectors = NDArray[np.float32]


class InferError(Exception):
    """A call that brought nothing.

    `kind` is "unavailable" (nobody answers, or the breaker is open), "timeout" (not within the deadline), "busy" (as
    much waits as may), "invalid" (the answer is no vector of the known dimension, or the request is not one),
    or "no_model" (the service runs without the model that the call needs).
    """

    def __init__(self, kind: Literal["unavailable", "timeout", "busy", "invalid", "no_model"], message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Scores(msgspec.Struct, frozen=True):
    """What a head says of one text: `labels` with their probabilities, best first, at most five; `inside` is the
    probability that the text is in scope."""

    labels: list[tuple[str, float]]
    inside: float


class Infer(Protocol):
    """Embeddings, classification by a trained head, and whether two texts ask for the same."""

    @property
    def version(self) -> str:
        """Of the encoder, "" until known. Vectors of two versions cannot be compared."""

    @property
    def dimensions(self) -> int:
        """Of a vector, 0 until known."""

    @property
    def ready(self) -> bool:
        """Whether a call has a prospect: the service was seen, has an encoder, and its breaker is closed."""

    @property
    def can_verify(self) -> bool:
        """Whether `verify` has a prospect."""

    async def embed(self, texts: Sequence[str], *, kind: Kind = "query", deadline: float | None = None) -> Vectors:
        """Vectors of length 1, shape (len(texts), dimensions), read-only.

        Raises:
            InferError: see there. `deadline` is in seconds; None takes that of the settings.
        """

    async def classify(self, head: str, texts: Sequence[str], *, deadline: float | None = None) -> list[Scores]:
        """What the head with this sha256, offered before, says of each text.

        Raises:
            InferError: see there; "invalid" also for a head that nobody offered.
        """

    def offer_head(self, head: bytes) -> str:
        """Keep a head to be uploaded when it is wanted; returns its sha256."""

    def withdraw_head(self, head: str) -> None:
        """Forget an offered head; no error if it is unknown."""

    async def verify(self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None) -> list[float]:
        """The probability that both texts of a pair ask for the same, for each pair.

        Raises:
            InferError: see there.
        """

"""No model at all, behind the interface of the model process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from .interface import InferError, Kind, Scores, Vectors


class NoInfer:
    """Refuses everything at once. Heads may be offered: nobody will ask for them."""

    version = ""
    dimensions = 0
    ready = False
    can_verify = False

    async def embed(self, texts: Sequence[str], *, kind: Kind = "query", deadline: float | None = None) -> Vectors:
        """Not possible.

        Raises:
            InferError: always; no_model.
        """
        raise InferError("no_model", "there is no model")

    async def classify(self, head: str, texts: Sequence[str], *, deadline: float | None = None) -> list[Scores]:
        """Not possible.

        Raises:
            InferError: always; no_model.
        """
        raise InferError("no_model", "there is no model")

    def offer_head(self, head: bytes) -> str:
        """The sha256 of the bytes."""
        return hashlib.sha256(head).hexdigest()

    def withdraw_head(self, head: str) -> None:
        """Nothing to forget."""

    async def verify(self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None) -> list[float]:
        """Not possible.

        Raises:
            InferError: always; no_model.
        """
        raise InferError("no_model", "there is no model")

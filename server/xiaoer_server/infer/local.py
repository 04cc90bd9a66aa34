"""An encoder in this process, behind the interface of the model process: for commands while no server runs."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .head import Head, HeadError
from .interface import InferError, Kind, Scores, Vectors


class LocalInfer:
    """Embeds and classifies in a thread. Never verifies.

    Args:
        folder: The encoder's folder.

    Raises:
        InferError: there is no encoder, it cannot be loaded, or its libraries are not installed; no_model.
    """

    can_verify = False

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._heads: dict[str, bytes] = {}
        if not folder.is_dir():
            raise InferError("no_model", f"there is no model {folder}; get one with `xiaoer models pull {folder.name}`")
        try:
            from .encoder import Encoder

            self._encoder = Encoder(folder, threads)
            self.dimensions = int(self._encoder.embed(["hello"], "query").shape[1])
        except Exception as error:  # whatever a damaged model or a missing library may cause
            raise InferError("no_model", f"the model {folder} cannot be loaded: {error}") from error
        self.version: str = self._encoder.version

    @property
    def ready(self) -> bool:
        """Always."""
        return True

    async def embed(self, texts: Sequence[str], *, kind: Kind = "query", deadline: float | None = None) -> Vectors:
        """As `Infer.embed`.

        Raises:
            InferError: the vectors are not finite; invalid.
        """
        vectors: Vectors = await asyncio.to_thread(self._encoder.embed, list(texts), kind)
        if not np.isfinite(vectors).all():
            raise InferError("invalid", "the encoder gives vectors that are not finite")
        return vectors

    async def classify(self, head: str, texts: Sequence[str], *, deadline: float | None = None) -> list[Scores]:
        """As `Infer.classify`.

        Raises:
            InferError: nobody offered the head, or it does not go with the encoder; invalid.
        """
        if head not in self._heads:
            raise InferError("invalid", "nobody offered this head")
        vectors = await self.embed(texts)
        try:
            return Head.load(self._heads[head], encoder=self.version).scores(vectors)
        except HeadError as error:
            raise InferError("invalid", str(error)) from None

    def offer_head(self, head: bytes) -> str:
        """As `Infer.offer_head`."""
        name = hashlib.sha256(head).hexdigest()
        self._heads[name] = head
        return name

    def withdraw_head(self, head: str) -> None:
        """As `Infer.withdraw_head`."""
        self._heads.pop(head, None)

    async def verify(self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None) -> list[float]:
        """Not possible here.

        Raises:
            InferError: always; no_model.
        """
        raise InferError("no_model", "there is no verifier in this process")

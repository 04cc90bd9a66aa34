"""A model process for tests that want intents and no model: vectors of hashed words and letters."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import Sequence

import numpy as np

from xiaoer_server.infer import training
from xiaoer_server.infer.head import Head, HeadError
from xiaoer_server.infer.interface import InferError, Scores

DIMENSIONS = 64


def vectors(texts: Sequence[str]) -> np.ndarray:
    """Texts that share words or pairs of letters are near each other."""
    made = np.zeros((len(texts), DIMENSIONS), np.float32)
    for row, text in zip(made, texts, strict=True):
        text = text.lower()
        for part in [*text.split(), *(text[at : at + 2] for at in range(len(text) - 1))]:
            number = zlib.crc32(part.encode())
            row[number % DIMENSIONS] += 1 if number & 1024 else -1
        row[0] += 0.01
    return made / np.linalg.norm(made, axis=1, keepdims=True)


class WordsInfer:
    """Behind `Infer`, and as strict: knows only heads that were offered, and refuses those of another encoder."""

    def __init__(self, version: str = "words@1") -> None:
        self.version = version
        self.dimensions = DIMENSIONS
        self.ready = True
        self.can_verify = False
        self.fails: Exception | None = None
        self.delay = 0.0
        self.poison = False
        self.heads: dict[str, bytes] = {}
        self.asked: list[str] = []

    async def embed(self, texts: Sequence[str], *, kind: str = "query", deadline: float | None = None) -> np.ndarray:
        if self.fails is not None:
            raise self.fails
        return vectors(texts)

    async def classify(self, head: str, texts: Sequence[str], *, deadline: float | None = None) -> list[Scores]:
        await asyncio.sleep(self.delay)
        if self.fails is not None:
            raise self.fails
        self.asked.append(head)
        if head not in self.heads:
            raise InferError("invalid", "nobody offered this head")
        found = vectors(texts) * (np.nan if self.poison else 1)
        try:
            return Head.load(self.heads[head], encoder=self.version).scores(found)
        except HeadError as error:
            raise InferError("invalid", str(error)) from None

    def offer_head(self, head: bytes) -> str:
        name = hashlib.sha256(head).hexdigest()
        self.heads[name] = head
        return name

    def withdraw_head(self, head: str) -> None:
        self.heads.pop(head, None)

    async def verify(self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None) -> list[float]:
        raise InferError("no_model", "none")


async def train_here(
    task: str, embeddings: np.ndarray, labels: Sequence[str], *, encoder: str, progress: object = None
) -> tuple[dict[str, object], bytes]:
    """In the place of `train_process.run`: without the seconds that a process takes to import scikit-learn."""
    assert task == "train"
    made = await asyncio.to_thread(training.train, embeddings, labels, encoder=encoder)
    return made.report, made.head.dump()

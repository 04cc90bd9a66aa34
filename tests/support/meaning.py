"""A model process that says what a test tells it to."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence

import numpy as np

from xiaoer_server.brain.cached import Asked, Vectors

DIMENSIONS = 64


def vector_of(text: str) -> Vectors:
    """The same characters give near vectors: counts of characters and their pairs, hashed."""
    found = np.zeros(DIMENSIONS, np.float32)
    for part in [*text.lower(), *(text[at : at + 2].lower() for at in range(len(text) - 1))]:
        found[hashlib.blake2b(part.encode("utf-8", "surrogatepass"), digest_size=2).digest()[0] % DIMENSIONS] += 1.0
    return found / max(float(np.linalg.norm(found)), 1e-6)


class FakeMeaning:
    """Embeds by characters; every pair is the same with probability `sure`, but those named in `pairs`."""

    def __init__(self, sure: float = 0.99) -> None:
        self.version = "fake@1"
        self.ready = True
        self.can_verify = True
        self.sure = sure
        self.pairs: dict[tuple[str, str], float] = {}
        self.embedded: list[str] = []
        self.verified: list[tuple[str, str]] = []
        self.slow = 0.0
        self.broken: Exception | None = None
        self.poison: Vectors | None = None

    async def embed(self, texts: Sequence[str], *, deadline: float | None = None) -> Vectors:
        self.embedded += texts
        if self.slow:
            await asyncio.sleep(self.slow)
        if self.broken is not None:
            raise self.broken
        if self.poison is not None:
            return np.stack([self.poison] * len(texts))
        return np.stack([vector_of(text) for text in texts])

    async def verify(self, pairs: Sequence[tuple[str, str]], *, deadline: float | None = None) -> list[float]:
        self.verified += pairs
        if self.broken is not None:
            raise self.broken
        return [self.pairs.get(pair, self.sure) for pair in pairs]


def ask(text: str, tenant: str = "demo", **fields: object) -> Asked:
    """A general question, unless told otherwise."""
    values: dict[str, object] = {"language": "zh", "knowledge_version": 1, "model": "m", "policy": "p"} | fields
    return Asked(tenant=tenant, text=text, **values)  # type: ignore[arg-type]

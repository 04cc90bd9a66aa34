"""Stands in for the model process: a vector says which words of a few topics a text has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xiaoer_server.infer.interface import InferError

#: Words of one line mean the same to it, whatever the language.
MEANINGS = ("refund 退款 钱 money cash back", "fee 运费 postage delivery 邮费", "pot 壶 vessel kettle 紫砂")


class StandInEncoder:
    """Embeds by meaning without a model. `fails` is raised, `poison` gets a vector that is not a number."""

    def __init__(self, version: str = "e5-small@test", dimensions: int = 16) -> None:
        self.version, self.dimensions = version, dimensions
        self.ready, self.can_verify = True, False
        self.fails: InferError | None = None
        self.poison = ""
        self.calls: list[str] = []
        self.sure: dict[tuple[str, str], float] = {}

    async def embed(self, texts: Sequence[str], *, kind: str = "query", **_: Any) -> NDArray[np.float32]:
        if self.fails is not None:
            raise self.fails
        self.calls += texts
        return np.array([self._one(text) for text in texts], np.float32)

    async def verify(self, pairs: Sequence[tuple[str, str]], **_: Any) -> list[float]:
        return [self.sure.get(pair, 0.0) for pair in pairs]

    def _one(self, text: str) -> NDArray[np.float32]:
        if self.poison and self.poison in text:
            return np.full(self.dimensions, np.nan, np.float32)
        vector = np.full(self.dimensions, 0.3, np.float32)
        for at, words in enumerate(MEANINGS):
            vector[at] += sum(word in text.lower() for word in words.split())
        unit: NDArray[np.float32] = vector / np.linalg.norm(vector)
        return unit

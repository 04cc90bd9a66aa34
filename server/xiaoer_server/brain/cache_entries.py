"""The entries of the cache, bounded by memory: who is found by which words, which vectors, and who goes first.

When the memory is full, the tenant that uses most of it loses what it has not used for longest; so nobody can push
another tenant's answers out by asking a lot.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from .cache_vectors import VectorRows
from .cached import Kept, Space, Vectors

_Key = tuple[Space, str]


class Entries:
    """For one thread. `bytes` is all that is held, see `Kept.size`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._tenants: dict[str, OrderedDict[_Key, Kept]] = {}
        self._sizes: dict[str, int] = {}
        self._vectors: dict[Space, VectorRows] = {}
        self._spaces: dict[Space, Space] = {}  # one object for all entries of a space
        self.bytes = 0
        self.evicted = 0

    def __len__(self) -> int:
        return sum(map(len, self._tenants.values()))

    def __iter__(self) -> Iterator[Kept]:
        """All entries, each tenant's least recently used first."""
        for entries in self._tenants.values():
            yield from entries.values()

    def of(self, tenant: str) -> list[Kept]:
        """The tenant's entries, least recently used first."""
        return list(self._tenants.get(tenant, {}).values())

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Tenant → (entries, bytes)."""
        return {tenant: (len(entries), self._sizes[tenant]) for tenant, entries in self._tenants.items()}

    def find(self, space: Space, words: str) -> Kept | None:
        """The entry of exactly these words."""
        entries = self._tenants.get(space.tenant)
        return None if entries is None else entries.get((space, words))

    def has(self, entry: Kept) -> bool:
        """Whether it is still there."""
        return self.find(entry.space, entry.words) is entry

    def touch(self, entry: Kept) -> None:
        """It was used."""
        self._tenants[entry.space.tenant].move_to_end((entry.space, entry.words))

    def put(self, entry: Kept, vector: Vectors | None = None, version: str = "") -> bool:
        """Add an entry in the place of one of the same words; False if it alone is more than the memory.

        Args:
            vector: Of length 1, by the encoder `version`.
        """
        before = self.find(entry.space, entry.words)
        if before is not None:
            self.remove(before)
        entry.space = self._spaces.setdefault(entry.space, entry.space)
        tenant = entry.space.tenant
        size = entry.size(len(vector) if vector is not None else 0)
        if size > self._max_bytes:
            return False
        while self.bytes + size > self._max_bytes:
            self._push_out()
        self._tenants.setdefault(tenant, OrderedDict())[entry.space, entry.words] = entry
        self._account(tenant, entry.size(0))
        if vector is not None:
            self.give_vector(entry, vector, version)
        return True

    def give_vector(self, entry: Kept, vector: Vectors, version: str) -> None:
        """Let an entry without a vector be found by meaning. Vectors of another encoder than the space has go."""
        rows = self._vectors.get(entry.space)
        if rows is None or rows.version != version or rows.dimensions != len(vector):
            if rows is not None:
                self._drop_vectors(rows)
            rows = self._vectors[entry.space] = VectorRows(version, len(vector))
        rows.add(entry, vector)
        self._account(entry.space.tenant, 4 * rows.dimensions)
        while self.bytes > self._max_bytes and len(self) > 1:
            self._push_out()

    def rows(self, space: Space, version: str) -> VectorRows | None:
        """The space's vectors by this encoder."""
        rows = self._vectors.get(space)
        return rows if rows is not None and rows.version == version else None

    def vector_of(self, entry: Kept) -> tuple[str, Vectors] | None:
        """An entry's vector and the encoder that made it."""
        rows = self._vectors.get(entry.space)
        return (rows.version, rows.vector(entry)) if rows is not None and entry.row >= 0 else None

    def without_vector(self, space: Space, version: str, limit: int) -> list[Kept]:
        """Entries of the space that this encoder has not seen."""
        current = self.rows(space, version) is not None
        found: list[Kept] = []
        for entry in self._tenants.get(space.tenant, {}).values():
            if entry.space == space and (entry.row < 0 or not current):
                found.append(entry)
                if len(found) == limit:
                    break
        return found

    def remove(self, entry: Kept) -> None:
        """Remove an entry that is there."""
        tenant = entry.space.tenant
        entries = self._tenants[tenant]
        del entries[entry.space, entry.words]
        rows = self._vectors.get(entry.space)
        size = entry.size(0)
        if rows is not None and entry.row >= 0:
            size += 4 * rows.dimensions
            rows.remove(entry)
            if not rows:
                del self._vectors[entry.space]
        self._account(tenant, -size)
        if not entries:
            del self._tenants[tenant], self._sizes[tenant]
            self._spaces = {space: space for space in self._spaces if space.tenant != tenant}

    def _push_out(self) -> None:
        tenant = max(self._sizes, key=self._sizes.__getitem__)
        self.remove(next(iter(self._tenants[tenant].values())))
        self.evicted += 1

    def _drop_vectors(self, rows: VectorRows) -> None:
        for entry in list(rows.kept):
            rows.remove(entry)
            self._account(entry.space.tenant, -4 * rows.dimensions)

    def _account(self, tenant: str, size: int) -> None:
        self.bytes += size
        self._sizes[tenant] = self._sizes.get(tenant, 0) + size

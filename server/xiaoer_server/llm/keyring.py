"""The keys in memory: from a secret to its caller without a look into the store.

A secret is found by its SHA-256 in a dictionary. How long that takes tells at most something about hashes, from which
no secret can be made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ..store.keys import ApiKey, Keys, hash_of
from .quota import Caller

#: No secret is longer; what is, is not even hashed.
_LONGEST = 128


class Keyring:
    """All keys that are valid, and who calls with them.

    Args:
        clock: Seconds that never go back.
        wall: Seconds since the epoch, for expiry and budgets.
    """

    def __init__(
        self, keys: Keys, *, clock: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._wall = wall
        self._callers: dict[bytes, Caller] = {}
        self._hashes: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._callers)

    async def load(self, spent: Mapping[str, float] | None = None) -> None:
        """Read the keys from the store, once, before `find`.

        Args:
            spent: Money of this month by key id, as `UsageRecorder.spent` tells.

        Raises:
            SQLAlchemyError: the store cannot be read.
        """
        for digest, key in await self._keys.hashes():
            if key.revoked_at is None:
                self._hold(digest, key, (spent or {}).get(key.id, 0.0))

    def find(self, secret: bytes) -> Caller | None:
        """The caller of this secret; None if there is no such key, or it has expired or was revoked."""
        if len(secret) > _LONGEST:
            return None
        caller = self._callers.get(hash_of(secret))
        if caller is None or (caller.expires is not None and self._wall() >= caller.expires):
            return None
        return caller

    async def create(self, tenant: str, name: str, **limits: Any) -> tuple[str, ApiKey]:
        """Make a key, as `Keys.create`; it is valid when this returns."""
        secret, key = await self._keys.create(tenant, name, **limits)
        self._hold(hash_of(secret.encode()), key, 0.0)
        return secret, key

    async def revoke(self, key: str) -> bool:
        """Make the key of this id invalid; False if there is none, or it was already.

        Nothing is let in with it from now on, also by who has found its caller before. Calls under way are finished.

        Raises:
            SQLAlchemyError: the store cannot write; the key is still valid.
        """
        revoked = await self._keys.revoke(key)
        digest = self._hashes.pop(key, None)
        if digest is not None:
            self._callers.pop(digest).revoked = True
        return revoked

    async def all(self, tenant: str | None = None) -> list[ApiKey]:
        """All keys in the store, or a tenant's; the revoked ones too."""
        return await self._keys.all(tenant)

    def state(self, key: ApiKey) -> str:
        """active, expired or revoked."""
        if key.revoked_at is not None:
            return "revoked"
        return "expired" if key.expires_at is not None and self._wall() * 1000 >= key.expires_at else "active"

    def _hold(self, digest: bytes, key: ApiKey, spent: float) -> None:
        self._callers[digest] = Caller(key, spent=spent, clock=self._clock, wall=self._wall)
        self._hashes[key.id] = digest


__all__ = ["Caller", "Keyring"]

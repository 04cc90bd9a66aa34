"""Answers of the gateway that can be given again: exact matches only, for callers who ask for them.

A call takes part with the header `x-xiaoer-cache: exact`. Two calls are the same if tenant, path and the whole body
are, order of fields, white space and the `user` field aside; temperature, `stream` and fields that we do not know
are part of it. Only whole answers that ended well are stored, least recently used first out, by bytes. Calls under
way are shared too, see `flight`.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import jiter
import msgspec

from .flight import Flight

#: What an entry costs beside its answer: key, digest, list node; measured in CPython 3.11, rounded up.
ENTRY_BYTES = 512

Key = tuple[str, bytes]


class _Entry(msgspec.Struct, gc=False):
    answer: bytes
    ends: float


class CacheCounts(msgspec.Struct):
    """Since the start: answers from memory, calls that joined another, calls asked, answers pushed out."""

    hits: int = 0
    joined: int = 0
    asked: int = 0
    evicted: int = 0


def cache_key(tenant: str, path: str, body: bytes) -> Key:
    """What makes two calls the same: the tenant, and a SHA-256 over path and canonical body.

    `body` is one that `request` has read. Numbers count as they are written: 0.4 and 0.40 are two calls, and what
    overflows a float is not the same as null.
    """
    digest = hashlib.sha256(path.encode())
    digest.update(b"\0")
    fields = jiter.from_json(body, float_mode="lossless-float", cache_mode="keys")
    fields.pop("user", None)
    digest.update(_canonical(fields))
    return tenant, digest.digest()


def _number(value: Any) -> msgspec.Raw:
    return msgspec.Raw(bytes(value))


_canonical = msgspec.json.Encoder(order="deterministic", enc_hook=_number).encode


class ResponseCache:
    """Whole answers, and those under way, of one process. For one thread.

    Args:
        max_bytes: Of all that is stored, `ENTRY_BYTES` for each entry included; 0 stores nothing.
        max_entry: Of one answer.
        ttl: Seconds for which an answer is given again.
    """

    def __init__(self, max_bytes: int, max_entry: int, ttl: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._max_entry = min(max_entry, max(0, max_bytes - ENTRY_BYTES))
        self._ttl = ttl
        self._clock = clock
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._flights: dict[Key, Flight] = {}
        self.bytes = 0
        self.counts = CacheCounts()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def flights(self) -> int:
        """Calls under way that can be joined."""
        return len(self._flights)

    def get(self, key: Key) -> bytes | None:
        """The answer's whole body, or the bytes of its whole stream; None where there is none, or an old one."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if self._clock() >= entry.ends:
            self._remove(key)
            return None
        self._entries.move_to_end(key)
        self.counts.hits += 1
        return entry.answer

    def flight(self, key: Key) -> tuple[Flight, bool]:
        """The flight for a call that `get` had nothing for, and whether the caller leads it.

        Who leads takes a seat like everybody, starts the call, and has it feed the flight: `fed_by` with the call,
        `feed`, then `finish` for a whole answer with status 200 or `fail` for all else.
        """
        flight = self._flights.get(key)
        if flight is not None:
            self.counts.joined += 1
            return flight, False
        self.counts.asked += 1

        def closed(flight: Flight, answer: bytes | None) -> None:
            if self._flights.get(key) is flight:
                del self._flights[key]
                if answer is not None:
                    self._put(key, answer)

        flight = self._flights[key] = Flight(keep=self._max_entry, closed=closed)
        return flight, True

    def forget(self, tenant: str | None = None) -> None:
        """Drop a tenant's answers, or all: its words have changed. Calls under way go on and are not stored."""
        for key in [key for key in self._entries if tenant is None or key[0] == tenant]:
            self._remove(key)
        for key in [key for key in self._flights if tenant is None or key[0] == tenant]:
            del self._flights[key]

    def _put(self, key: Key, answer: bytes) -> None:
        size = len(answer) + ENTRY_BYTES
        if size > self._max_bytes or len(answer) > self._max_entry:
            return
        if key in self._entries:
            self._remove(key)
        while self.bytes + size > self._max_bytes:
            self._remove(next(iter(self._entries)))
            self.counts.evicted += 1
        self._entries[key] = _Entry(answer, self._clock() + self._ttl)
        self.bytes += size

    def _remove(self, key: Key) -> None:
        self.bytes -= len(self._entries.pop(key).answer) + ENTRY_BYTES

"""How much one visitor and one address may ask for.

Token buckets in the form of the generic cell rate algorithm: one float a key, the time at which the bucket is full
again. A bucket that is full says nothing, so it can be dropped; memory stays bounded however many addresses come.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable
from functools import lru_cache

from ..config import LimitSettings
from ..errors import RateLimited


class Buckets:
    """Token buckets by key: `burst` at once, then `rate` a second.

    At most `capacity` keys are kept. When they are reached, full buckets go; where that is not enough, those that
    are nearest to full go too, which forgives a little to who asked least.
    """

    def __init__(
        self, burst: int, rate: float, *, capacity: int = 100_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._interval = 1.0 / rate
        self._tolerance = (burst - 1) * self._interval
        self._capacity = capacity
        self._clock = clock
        self._full_at: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._full_at)

    def wait(self, key: str) -> float:
        """Seconds until the next one is allowed; 0 where it is now. Takes nothing."""
        now = self._clock()
        over = self._full_at.get(key, now) - now - self._tolerance
        return over if over > 1e-9 else 0.0

    def take(self, key: str) -> None:
        """Take one, also where none is left; `wait` says whether one is."""
        now = self._clock()
        full_at = self._full_at
        full_at[key] = max(full_at.get(key, now), now) + self._interval
        if len(full_at) > self._capacity:
            self._shrink(now)

    def _shrink(self, now: float) -> None:
        kept = {key: at for key, at in self._full_at.items() if at > now}
        if len(kept) > self._capacity // 2:
            kept = dict(sorted(kept.items(), key=lambda item: item[1])[-(self._capacity // 2) :])
        self._full_at = kept


class Limits:
    """All limits of a process. Every refusal is `RateLimited` with the seconds to wait."""

    def __init__(self, settings: LimitSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._visitors = Buckets(settings.visitor_burst, settings.visitor_rate, clock=clock)
        self._addresses = Buckets(settings.address_burst, settings.address_rate, clock=clock)
        self._sessions = Buckets(settings.session_burst, settings.session_rate, clock=clock)
        self._address_sockets = settings.address_sockets
        self._sockets: dict[str, int] = {}

    def check_message(self, visitor: str, address: str) -> None:
        """Count one message of this visitor, from this address; a refused one is not counted.

        Raises:
            RateLimited: one of the two asks too fast.
        """
        network = network_of(address)
        wait = max(self._visitors.wait(visitor), self._addresses.wait(network))
        if wait > 0:
            raise RateLimited("Too many messages; please wait a moment.", retry_after=wait)
        self._visitors.take(visitor)
        self._addresses.take(network)

    def check_session(self, address: str) -> None:
        """Count one session made from this address.

        Raises:
            RateLimited: it makes them too fast.
        """
        network = network_of(address)
        wait = self._sessions.wait(network)
        if wait > 0:
            raise RateLimited("Too many sessions from this address; please wait a moment.", retry_after=wait)
        self._sessions.take(network)

    def open_socket(self, address: str) -> None:
        """Count an outlet (WebSocket or event stream) in; `close_socket` counts it out, exactly once.

        Raises:
            RateLimited: the address holds too many open ones; nothing was counted.
        """
        network = network_of(address)
        count = self._sockets.get(network, 0)
        if count >= self._address_sockets:
            raise RateLimited("Too many open connections from this address.", code="too_many_sockets", retry_after=5)
        self._sockets[network] = count + 1

    def close_socket(self, address: str) -> None:
        """Count an outlet out that `open_socket` let in."""
        network = network_of(address)
        count = self._sockets.get(network, 0)
        if count > 1:
            self._sockets[network] = count - 1
        else:
            self._sockets.pop(network, None)


def network_of(address: str) -> str:
    """What stands for one customer of a network: the IPv4 address itself, the /64 of an IPv6 one."""
    return _ipv6_network(address) if ":" in address else address


@lru_cache(maxsize=65_536)
def _ipv6_network(address: str) -> str:
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Address(int(parsed) >> 64 << 64)) + "/64"

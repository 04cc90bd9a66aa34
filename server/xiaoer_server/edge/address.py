"""Where a request really comes from."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

from ..config import ConfigError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Proxies:
    """The reverse proxies that are believed about X-Forwarded-For.

    Args:
        trusted: Addresses or networks (`10.0.0.0/8`), or `unix` for whoever connects over a Unix socket.

    Raises:
        ConfigError: an entry is none of these.
    """

    def __init__(self, trusted: Iterable[str]) -> None:
        self._unix = False
        self._networks: list[Network] = []
        for entry in trusted:
            if entry == "unix":
                self._unix = True
                continue
            try:
                self._networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError as error:
                raise ConfigError(
                    f"security.trusted_proxies: {entry!r} is not allowed; allowed: addresses, networks, unix"
                ) from error
        self._is_trusted = lru_cache(maxsize=4_096)(self._look_up)

    def trusts(self, address: str) -> bool:
        """Whether the peer at this address (empty: a Unix socket) is one of the proxies."""
        return self._is_trusted(address)

    def client(self, peer: str, headers: Sequence[tuple[bytes, bytes]]) -> str:
        """The client's address: the rightmost hop of X-Forwarded-For that is not ours.

        Hops further left were written by that client or by those before it, and prove nothing. A hop that is no
        address ends the search; the last one that was stands.
        """
        if not self.trusts(peer):
            return peer
        address = peer
        hops = b",".join([value for name, value in headers if name == b"x-forwarded-for"])
        for hop in reversed(hops.split(b",")) if hops else ():
            parsed = _parse(hop.decode("latin-1").strip())
            if parsed is None:
                break
            address = parsed
            if not self.trusts(address):
                break
        return address

    def _look_up(self, address: str) -> bool:
        if not address:
            return self._unix
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks if network.version == parsed.version)


def _parse(hop: str) -> str | None:
    """An address as proxies write it: bare, with a port, or in brackets."""
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        return str(ipaddress.ip_address(hop))
    except ValueError:
        return None

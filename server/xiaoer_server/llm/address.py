"""Which addresses an upstream may have: the guard against settings and DNS answers that point inside.

A provider's host is resolved once, each address is judged, and callers connect to the literal that was judged: there
is no second lookup that could answer otherwise (DNS rebinding). The ranges are the special-purpose registries of IANA
(https://www.iana.org/assignments/iana-ipv4-special-registry, …/iana-ipv6-special-registry, as of July 2026), plus
multicast and what RFC 3879, 4291 and 2765 reserved. They are listed here because `ipaddress.is_global` of the Python
versions that we support differs from them: in 3.11 it calls multicast, 64:ff9b:1::/48, 2002::/16, fec0::/10, 3fff::/20
and more global.

IPv6 is judged by what is allowed: 2000::/3, the only space that IANA assigns from, without the ranges below.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

# The shape of `loop.getaddrinfo`: (host, port, type=…) → tuples of family, type, protocol, name, socket address.
Resolver = Callable[..., Awaitable[Sequence[tuple[Any, ...]]]]

_IPV4 = tuple(
    (IPv4Network(block), kind)
    for block, kind in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a carrier's NAT"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "kept for protocols"),  # with the two anycast addresses in it that are reachable
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),  # and the broadcast address
    )
)

_IPV6 = tuple(
    (IPv6Network(block), kind)
    for block, kind in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::/96", "IPv4-compatible"),
        ("::ffff:0:0:0/96", "IPv4-translated"),
        ("64:ff9b:1::/48", "local NAT64"),
        ("100::/64", "discarded"),
        ("100:0:0:1::/64", "a dummy"),
        ("2001::/32", "Teredo"),
        ("2001:2::/48", "for benchmarks"),
        ("2001:10::/28", "an ORCHID"),
        ("2001:20::/28", "an ORCHID"),
        ("2001:30::/28", "a drone's identifier"),
        ("2001::/23", "kept for protocols"),  # with the anycast addresses in it that are reachable
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "for documentation"),
        ("5f00::/16", "a segment identifier"),
        ("fc00::/7", "private (unique local)"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "private (site-local)"),
        ("ff00::/8", "multicast"),
    )
)
_GLOBAL = IPv6Network("2000::/3")
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
# Sixty digits are more than any address has, and few enough to read at once.
_NUMBER = re.compile(r"0[xX](?P<x>[0-9a-fA-F]{1,60})|(?P<o>0[0-7]{0,60})|(?P<d>[1-9][0-9]{0,60})")
# Interface identifiers of ISATAP (RFC 5214): the IPv4 address is in the last four bytes.
_ISATAP = (0x00005EFE, 0x02005EFE)


class ForbiddenAddress(Exception):
    """A provider's host is, or resolves to, an address that is not public, and the settings do not allow that."""


def kind_of(address: IPv4Address | IPv6Address) -> str | None:
    """Why `address` is not a public unicast address, in a few words; None if it is one.

    Addresses that hold another one, mapped, NAT64 and ISATAP, are judged by it.
    """
    if isinstance(address, IPv4Address):
        for network, kind in _IPV4:
            if address in network:
                return kind
        return None
    if address.scope_id is not None:
        return "bound to an interface"
    value = int(address)
    inner = IPv4Address(value & 0xFFFFFFFF)
    if address in _MAPPED:
        kind_inside = kind_of(inner)
        return kind_inside and f"IPv4-mapped, {kind_inside}"
    if address in _NAT64:
        kind_inside = kind_of(inner)
        return kind_inside and f"NAT64, {kind_inside}"
    for network6, kind in _IPV6:
        if address in network6:
            return kind
    if address not in _GLOBAL:
        return "not assigned"
    if value >> 32 & 0xFFFFFFFF in _ISATAP:
        kind_inside = kind_of(inner)
        return kind_inside and f"ISATAP, {kind_inside}"
    return None


def check_literal(host: str, *, allow_private: bool = False) -> str | None:
    """Judge a host that needs no lookup, as settings are read: its address in the usual spelling, None for a name.

    All spellings that the C library takes for IPv4 are known (127.1, 2130706433, 0x7f.0.0.1, 017700000001), brackets
    and zone identifiers of IPv6, and localhost with everything under it (RFC 6761), which is loopback everywhere.

    Raises:
        ForbiddenAddress: It is not public and `allow_private` is false.
    """
    address = _literal(host)
    if address is not None:
        _judge(host, address, allow_private)
        return str(address)
    name = host.rstrip(".").lower()
    if not allow_private and (name == "localhost" or name.endswith(".localhost")):
        raise ForbiddenAddress(_refusal(host, "127.0.0.1", "loopback"))
    return None


async def resolve(host: str, port: int, *, allow_private: bool, resolver: Resolver | None = None) -> list[str]:
    """Every address of `host`, in the resolver's order, each once, as literals to connect to.

    Args:
        host: A name (also not ASCII, then encoded by IDNA) or a literal in any spelling.
        port: Handed to the resolver.
        allow_private: The provider's setting: loopback, private and all other addresses pass.
        resolver: Stands in for the running loop's `getaddrinfo`.

    Raises:
        ForbiddenAddress: One of the addresses is not public: the message names host, address and setting. One is
            enough, since a connection would go on to it as soon as the others fail.
        OSError: The name cannot be resolved (socket.gaierror), or is none.
    """
    address = _literal(host)
    if address is not None:
        _judge(host, address, allow_private)
        return [str(address)]
    name = _ascii(host)
    lookup: Resolver = asyncio.get_running_loop().getaddrinfo if resolver is None else resolver
    found: dict[str, None] = {}
    for family, _, _, _, sockaddr in await lookup(name, port, type=socket.SOCK_STREAM):
        if family not in (socket.AF_INET, socket.AF_INET6):
            continue
        text = str(sockaddr[0])
        if family == socket.AF_INET6 and len(sockaddr) > 3 and sockaddr[3] and "%" not in text:
            text = f"{text}%{sockaddr[3]}"  # the interface's number is a part of a link-local address
        address = _literal(text)
        if address is None:
            raise OSError(f"the resolver answered {host!r} with what is no address")
        _judge(host, address, allow_private)
        found[str(address)] = None
    if not found:
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r} has no address")
    return list(found)


def _judge(host: str, address: IPv4Address | IPv6Address, allow_private: bool) -> None:
    if not allow_private:
        kind = kind_of(address)
        if kind is not None:
            raise ForbiddenAddress(_refusal(host, str(address), kind))


def _refusal(host: str, address: str, kind: str) -> str:
    where = f"{host!r} is {address}" if _literal(host) is not None else f"{host!r} resolves to {address}"
    return f"{where} ({kind}), which is refused unless the provider's setting allow_private is true"


def _ascii(host: str) -> str:
    """The name as DNS has it. The same for every event loop, some of which would encode it otherwise."""
    try:
        name = host.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is no host name") from error
    if not name or name == "." or any(character <= " " or character in "/\\@[]%:\x7f" for character in name):
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is no host name")
    return name


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if ":" not in host:
            return None
    if ":" in host:
        try:
            return IPv6Address(host.replace("%25", "%", 1))
        except ValueError:
            return None
    return _ipv4(host.removesuffix("."))


def _ipv4(host: str) -> IPv4Address | None:
    """Read like inet_aton: one to four numbers in base 8, 10 or 16, of which the last fills the bytes left."""
    parts = host.split(".")
    if len(parts) > 4:
        return None
    numbers = []
    for part in parts:
        number = _number(part)
        if number is None:
            return None
        numbers.append(number)
    *heads, last = numbers
    if any(head > 255 for head in heads) or last >= 256 ** (4 - len(heads)):
        return None
    value = last
    for position, head in enumerate(heads):
        value += head << 8 * (3 - position)
    return IPv4Address(value)


def _number(part: str) -> int | None:
    match = _NUMBER.fullmatch(part)
    if match is None:
        return None
    base = {"x": 16, "o": 8, "d": 10}[match.lastgroup or ""]
    return int(match[match.lastgroup or ""], base)

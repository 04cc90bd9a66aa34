"""The address guard, range by range.

The ranges are transcribed from IANA's IPv4 and IPv6 Special-Purpose Address Registries as they were in July 2026
(https://www.iana.org/assignments/iana-ipv4-special-registry, …/iana-ipv6-special-registry; CC0): block, and whether
it is globally reachable (None: "N/A" or deprecated). All rows are here but ::ffff:0:0/96, which is judged by the IPv4
address that it holds.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xiaoer_server.llm.address import ForbiddenAddress, check_literal, kind_of, resolve

REGISTRY: list[tuple[str, bool | None]] = [
    ("0.0.0.0/8", False),
    ("0.0.0.0/32", False),
    ("10.0.0.0/8", False),
    ("100.64.0.0/10", False),
    ("127.0.0.0/8", False),
    ("169.254.0.0/16", False),
    ("172.16.0.0/12", False),
    ("192.0.0.0/24", False),
    ("192.0.0.0/29", False),
    ("192.0.0.8/32", False),
    ("192.0.0.9/32", True),
    ("192.0.0.10/32", True),
    ("192.0.0.170/32", False),
    ("192.0.0.171/32", False),
    ("192.0.2.0/24", False),
    ("192.31.196.0/24", True),
    ("192.52.193.0/24", True),
    ("192.88.99.0/24", None),
    ("192.88.99.2/32", False),
    ("192.168.0.0/16", False),
    ("192.175.48.0/24", True),
    ("198.18.0.0/15", False),
    ("198.51.100.0/24", False),
    ("203.0.113.0/24", False),
    ("240.0.0.0/4", False),
    ("255.255.255.255/32", False),
    ("::1/128", False),
    ("::/128", False),
    ("64:ff9b::/96", True),
    ("64:ff9b:1::/48", False),
    ("100::/64", False),
    ("100:0:0:1::/64", False),
    ("2001::/23", False),
    ("2001::/32", None),
    ("2001:1::1/128", True),
    ("2001:1::2/128", True),
    ("2001:1::3/128", True),
    ("2001:2::/48", False),
    ("2001:3::/32", True),
    ("2001:4:112::/48", True),
    ("2001:10::/28", None),
    ("2001:20::/28", True),
    ("2001:30::/28", True),
    ("2001:db8::/32", False),
    ("2002::/16", None),
    ("2620:4f:8000::/48", True),
    ("3fff::/20", False),
    ("5f00::/16", False),
    ("fc00::/7", False),
    ("fe80::/10", False),
]
# Reachable by the registry, refused here: nobody's API lives there. 64:ff9b::/96 is judged by what it holds.
STRICTER = {
    "192.0.0.9/32",
    "192.0.0.10/32",
    "2001:1::1/128",
    "2001:1::2/128",
    "2001:1::3/128",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:20::/28",
    "2001:30::/28",
}
MORE = ["224.0.0.0/4", "ff00::/8", "fec0::/10", "::/96", "::ffff:0:0:0/96", "200::/7", "4000::/2", "8000::/1"]
PRIVATE = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0", "100.64.0.1", "255.255.255.255"]
PUBLIC = ["8.8.8.8", "1.1.1.1", "104.18.6.192", "9.255.255.255", "11.0.0.0", "126.255.255.255", "128.0.0.0"]
PUBLIC += ["100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0"]
PUBLIC += ["198.17.255.255", "198.20.0.0", "223.255.255.255", "169.253.255.255", "169.255.0.0", "192.0.1.0"]
PUBLIC += ["2606:4700::6812:6c0", "2001:200::1", "2001:4860:4860::8888", "2620:4f:8000::1", "3ffe::1", "2000::1"]
PUBLIC += ["2001:db9::1", "2003::1", "3fff:1000::1", "2400:cb00::1"]


def ends(block: str) -> list[str]:
    network = ip_network(block)
    middle = network[network.num_addresses // 2]
    return [str(network[0]), str(middle), str(network[-1])]


@pytest.mark.parametrize("block", [b for b, reachable in REGISTRY if not reachable] + sorted(STRICTER) + MORE)
def test_special_ranges_are_refused_at_both_ends_and_in_the_middle(block: str) -> None:
    for address in ends(block):
        assert kind_of(ip_address(address)), address
        with pytest.raises(ForbiddenAddress, match="allow_private"):
            check_literal(address)
        assert check_literal(address, allow_private=True) == str(ip_address(address))


@pytest.mark.parametrize("block", [b for b, r in REGISTRY if r and b not in STRICTER and b != "64:ff9b::/96"])
def test_ranges_that_the_registry_calls_reachable_pass(block: str) -> None:
    for address in ends(block):
        assert kind_of(ip_address(address)) is None, address


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_beside_the_ranges_pass(address: str) -> None:
    assert kind_of(ip_address(address)) is None
    assert check_literal(address) == address


def holding(inner: str) -> dict[str, str]:
    value = int(IPv4Address(inner))
    high, low = f"{value >> 16:x}", f"{value & 0xFFFF:x}"
    return {
        "mapped": f"::ffff:{inner}",
        "nat64": f"64:ff9b::{inner}",
        "isatap": f"2400:cb00::5efe:{high}:{low}",
        "isatap global": f"2400:cb00::200:5efe:{high}:{low}",
        "compatible": f"::{inner}",
        "translated": f"::ffff:0:{inner}",
        "local nat64": f"64:ff9b:1::{inner}",
        "6to4": f"2002:{high}:{low}::1",
        "teredo server": f"2001:0:{high}:{low}::1",
        "teredo client": str(IPv6Address((0x20010000 << 96) + (value ^ 0xFFFFFFFF))),
    }


@pytest.mark.parametrize("inner", PRIVATE)
def test_ipv6_that_holds_a_private_ipv4_is_refused(inner: str) -> None:
    for form, address in holding(inner).items():
        assert kind_of(ip_address(address)), (form, address)


def test_ipv6_that_holds_a_public_ipv4_passes_where_it_leads_there() -> None:
    forms = holding("8.8.8.8")
    passes = {form for form, address in forms.items() if kind_of(ip_address(address)) is None}
    assert passes == {"mapped", "nat64", "isatap", "isatap global"}


@given(st.integers(0, 2**32 - 1))
def test_no_ipv4_is_judged_otherwise_through_ipv6(value: int) -> None:
    alone = kind_of(IPv4Address(value)) is None
    assert (kind_of(IPv6Address((0xFFFF << 32) + value)) is None) == alone
    assert (kind_of(IPv6Address((0x64FF9B << 96) + value)) is None) == alone


@given(st.ip_addresses())
def test_whatever_python_calls_special_is_refused(address: IPv4Address | IPv6Address) -> None:
    """What passes is nothing that any flag of `ipaddress` calls special, NAT64's prefix apart."""
    if kind_of(address) is None and not (isinstance(address, IPv6Address) and address in ip_network("64:ff9b::/96")):
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        assert address.is_global
        assert not any((address.is_multicast, address.is_reserved, address.is_loopback, address.is_unspecified))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0X7F.1",
        "0x7f.0x0.0x0.0x1",
        "017700000001",
        "0177.0.0.01",
        "0",
        "0x0",
        "00000000000000000000000000000000000000000000177.1",
        "[::1]",
        "::1",
        "0:0:0:0:0:0:0:1",
        "[::ffff:127.0.0.1]",
        "::ffff:7f00:1",
        "fe80::1%eth0",
        "fe80::1%25eth0",
        "[fe80::1%1]",
        "2606:4700::1%eth0",
        "localhost",
        "LOCALHOST.",
        "api.localhost",
    ],
)
def test_spellings_of_inside_are_known_without_a_lookup(host: str) -> None:
    with pytest.raises(ForbiddenAddress, match="allow_private"):
        check_literal(host)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.lists(st.sampled_from(["", "0", "0x"]), min_size=4, max_size=4))
def test_spellings_of_ipv4_are_read_like_the_c_library(value: int, parts: int, prefixes: list[str]) -> None:
    tail = value & (256 ** (5 - parts) - 1)
    numbers = [*((value >> 8 * (3 - i)) & 255 for i in range(parts - 1)), tail]
    formats = {"": "d", "0": "o", "0x": "x"}
    spelled = ".".join(prefix + format(n, formats[prefix]) for prefix, n in zip(prefixes, numbers, strict=False))
    assert socket.inet_aton(spelled) == IPv4Address(value).packed
    assert check_literal(spelled, allow_private=True) == str(IPv4Address(value))


@pytest.mark.parametrize(
    "name",
    [
        "api.example.com",
        "256.1.1.1",
        "1.2.3.256",
        "1.2.3.4.5",
        "08.1.1.1",
        "0xg",
        "4294967296",
        "localhost.example.com",
    ],
)
def test_names_are_left_to_the_lookup(name: str) -> None:
    assert check_literal(name) is None


class Resolver:
    """Answers like `loop.getaddrinfo`, and counts."""

    def __init__(self, *addresses: str | tuple[Any, ...]) -> None:
        self.addresses = addresses
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int, *, type: int) -> list[tuple[Any, ...]]:  # noqa: A002
        self.asked.append((host, port))
        answer: list[tuple[Any, ...]] = []
        for address in self.addresses:
            if isinstance(address, tuple):
                answer.append((socket.AF_INET6, type, 6, "", address))
            elif ":" in address:
                answer.append((socket.AF_INET6, type, 6, "", (address, port, 0, 0)))
            else:
                answer.append((socket.AF_INET, type, 6, "", (address, port)))
        return answer


async def test_every_address_once_in_the_resolvers_order() -> None:
    lookup = Resolver("2606:4700::1", "104.18.6.192", "104.18.6.192", "1.1.1.1")
    assert await resolve("api.example.com", 443, allow_private=False, resolver=lookup) == [
        "2606:4700::1",
        "104.18.6.192",
        "1.1.1.1",
    ]
    assert lookup.asked == [("api.example.com", 443)]


@pytest.mark.parametrize("inside", [*PRIVATE, "::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"])
async def test_one_address_inside_refuses_the_name(inside: str) -> None:
    for answer in ((inside,), ("104.18.6.192", inside), (inside, "104.18.6.192")):
        with pytest.raises(ForbiddenAddress) as caught:
            await resolve("api.example.com", 443, allow_private=False, resolver=Resolver(*answer))
        assert "'api.example.com' resolves to " + str(ip_address(inside)) in str(caught.value)
        assert "allow_private" in str(caught.value)
        assert await resolve("api.example.com", 443, allow_private=True, resolver=Resolver(*answer))


async def test_interfaces_of_link_local_addresses_are_kept_and_refused() -> None:
    lookup = Resolver(("fe80::1", 443, 0, 3))
    assert await resolve("printer.example.com", 443, allow_private=True, resolver=lookup) == ["fe80::1%3"]
    with pytest.raises(ForbiddenAddress, match="interface"):
        await resolve("printer.example.com", 443, allow_private=False, resolver=lookup)


async def test_literals_need_no_lookup() -> None:
    lookup = Resolver()
    assert await resolve("1.1.1.1", 443, allow_private=False, resolver=lookup) == ["1.1.1.1"]
    assert await resolve("[2606:4700::1]", 443, allow_private=False, resolver=lookup) == ["2606:4700::1"]
    with pytest.raises(ForbiddenAddress, match=r"is 127\.0\.0\.1"):
        await resolve("0x7f.1", 443, allow_private=False, resolver=lookup)
    assert lookup.asked == []


async def test_names_are_asked_for_in_ascii() -> None:
    lookup = Resolver("1.1.1.1")
    assert await resolve("例え.jp", 443, allow_private=False, resolver=lookup) == ["1.1.1.1"]
    assert lookup.asked == [("xn--r8jz45g.jp", 443)]


async def test_digits_that_idna_makes_plain_do_not_slip_through() -> None:
    """Fullwidth digits and dots become 127.0.0.1 on their way to the resolver; its answer is judged like any."""
    with pytest.raises(ForbiddenAddress):
        await resolve("１２７。０．０．１", 443, allow_private=False)


@pytest.mark.parametrize("name", ["", ".", "a..b", "a" * 64, "a b", "a\0b", "user@host", "a/b", "host:80", "[1]"])
async def test_what_is_no_name_is_an_os_error(name: str) -> None:
    lookup = Resolver("1.1.1.1")
    with pytest.raises(OSError, match="no host name"):
        await resolve(name, 443, allow_private=True, resolver=lookup)
    assert lookup.asked == []


async def test_an_answer_without_addresses_is_an_os_error() -> None:
    with pytest.raises(OSError, match="no address"):
        await resolve("api.example.com", 443, allow_private=True, resolver=Resolver())
    with pytest.raises(OSError, match="no address"):
        await resolve("api.example.com", 443, allow_private=True, resolver=Resolver("rubbish"))


async def test_the_loops_own_resolver_is_the_default() -> None:
    with pytest.raises(ForbiddenAddress, match="'localhost' resolves to"):
        await resolve("localhost", 80, allow_private=False)
    assert {"127.0.0.1", "::1"} & set(await resolve("localhost", 80, allow_private=True))


async def test_a_trailing_dot_is_part_of_the_name_and_changes_nothing() -> None:
    lookup = Resolver("10.0.0.1")
    with pytest.raises(ForbiddenAddress, match=r"api\.example\.com\."):
        await resolve("api.example.com.", 443, allow_private=False, resolver=lookup)
    assert lookup.asked == [("api.example.com.", 443)]

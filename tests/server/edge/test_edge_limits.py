"""Token buckets, sockets of an address, and whose address it is."""

from __future__ import annotations

import pytest

from xiaoer_server.config import ConfigError, LimitSettings
from xiaoer_server.edge.address import Proxies
from xiaoer_server.edge.limits import Buckets, Limits, network_of
from xiaoer_server.errors import RateLimited


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_burst_then_rate() -> None:
    clock = Clock()
    buckets = Buckets(5, 2.0, clock=clock)
    for _ in range(5):
        assert buckets.wait("a") == 0
        buckets.take("a")
    assert buckets.wait("a") == pytest.approx(0.5)
    assert buckets.wait("b") == 0
    clock.now += 0.5
    assert buckets.wait("a") == 0
    buckets.take("a")
    assert buckets.wait("a") == pytest.approx(0.5)
    clock.now += 100
    for _ in range(5):
        assert buckets.wait("a") == 0
        buckets.take("a")
    assert buckets.wait("a") > 0


def test_memory_is_bounded_and_full_buckets_go_first() -> None:
    clock = Clock()
    buckets = Buckets(5, 1.0, capacity=100, clock=clock)
    for number in range(60):
        buckets.take(f"idle-{number}")
    clock.now += 10
    for _ in range(6):
        buckets.take("busy")
    for number in range(1_000):
        buckets.take(f"new-{number}")
        assert len(buckets) <= 101
    assert buckets.wait("busy") > 0, "who asks most was forgiven"


def test_refused_message_is_not_counted() -> None:
    clock = Clock()
    limits = Limits(LimitSettings(visitor_burst=2, visitor_rate=1.0, address_burst=5, address_rate=1.0), clock=clock)
    limits.check_message("v", "1.1.1.1")
    limits.check_message("v", "1.1.1.1")
    for _ in range(20):
        with pytest.raises(RateLimited) as caught:
            limits.check_message("v", "1.1.1.1")
        assert caught.value.retry_after == pytest.approx(1.0)
    for number in range(3):
        limits.check_message(f"w{number}", "1.1.1.1")
    with pytest.raises(RateLimited):
        limits.check_message("x", "1.1.1.1")
    clock.now += 1
    limits.check_message("v", "1.1.1.1")


def test_sockets_of_an_address() -> None:
    limits = Limits(LimitSettings(address_sockets=2))
    limits.open_socket("1.1.1.1")
    limits.open_socket("1.1.1.1")
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            limits.open_socket("1.1.1.1")
        assert caught.value.code == "too_many_sockets"
    limits.open_socket("2.2.2.2")
    limits.close_socket("1.1.1.1")
    limits.open_socket("1.1.1.1")
    for address in ("1.1.1.1", "1.1.1.1", "2.2.2.2"):
        limits.close_socket(address)
    assert limits._sockets == {}


def test_network() -> None:
    assert network_of("1.2.3.4") == "1.2.3.4"
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert network_of("2001:db8:1:3::1") != network_of("2001:db8:1:2::1")
    assert network_of("::ffff:1.2.3.4") == "1.2.3.4"
    assert network_of("") == ""
    assert network_of("a:b") == "a:b"


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("9.9.9.9", ["1.1.1.1"], "9.9.9.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6, 1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6, 1.1.1.1, 10.9.9.9"], "1.1.1.1"),
        ("10.0.0.1", ["6.6.6.6", "1.1.1.1"], "1.1.1.1"),
        ("10.0.0.1", ["1.1.1.1:4711"], "1.1.1.1"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["2001:DB8::1"], "2001:db8::1"),
        ("10.0.0.1", ["10.1.1.1, 10.2.2.2"], "10.1.1.1"),
        ("10.0.0.1", ["nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["1.1.1.1, nonsense, 10.2.2.2"], "10.2.2.2"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["1.1.1.1"], "1.1.1.1"),
        ("fd00::5", ["1.1.1.1"], "1.1.1.1"),
        ("", ["1.1.1.1"], ""),
    ],
)
def test_client_behind_proxies(peer: str, forwarded: list[str], client: str) -> None:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    assert Proxies(["10.0.0.0/8", "fd00::5"]).client(peer, [(b"host", b"a"), *headers]) == client


def test_unix_socket_is_believed_where_that_is_said() -> None:
    assert Proxies(["unix"]).client("", [(b"x-forwarded-for", b"1.1.1.1")]) == "1.1.1.1"


def test_proxy_that_is_no_address() -> None:
    with pytest.raises(ConfigError, match="trusted_proxies"):
        Proxies(["nginx"])

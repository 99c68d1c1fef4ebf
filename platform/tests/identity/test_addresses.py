"""Whose address counts behind proxies."""

import pytest

from atoll.addresses import bucket
from atoll.identity.addresses import walk


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1, 127.0.0.1", "198.51.100.1"),
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("::ffff:127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "::ffff:203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1, nonsense", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.9:443", "127.0.0.1"),
        ("127.0.0.1", ",,,", "127.0.0.1"),
        ("", "203.0.113.9", "0.0.0.0"),
    ],
)
def test_the_nearest_address_that_no_trusted_proxy_owns(peer: str, forwarded_for: str, address: str) -> None:
    assert walk(peer, forwarded_for) == address


def test_a_stranger_cannot_choose_the_address_it_is_counted_by() -> None:
    assert walk("203.0.113.9", "198.51.100.1") == "203.0.113.9"
    assert walk("127.0.0.1", "198.51.100.1, 203.0.113.9") == walk("127.0.0.1", "192.0.2.4, 203.0.113.9")


def test_trusted_networks_are_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUSTED_PROXIES", "10.1.0.0/16, 10.2.0.5/32")

    assert walk("10.1.4.4", "203.0.113.9, 10.2.0.5") == "203.0.113.9"
    assert walk("127.0.0.1", "203.0.113.9") == "127.0.0.1"


def test_a_long_chain_of_trusted_hops_is_not_walked_to_its_end() -> None:
    chain = ", ".join(["203.0.113.9", *["127.0.0.1"] * 5000])

    assert walk("127.0.0.1", chain) == "127.0.0.1"


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:1::/64"),
        ("2001:db8:0:2::1", "2001:db8:0:2::/64"),
        ("no address", "0.0.0.0"),
        ("", "0.0.0.0"),
    ],
)
def test_limits_count_an_ipv4_address_alone_and_ipv6_by_its_64(address: str, counted_as: str) -> None:
    assert bucket(address) == counted_as

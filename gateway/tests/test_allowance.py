"""What an address may have before anything is known about its caller."""

import pytest

from gateway.edge.limits import allowance
from gateway.edge.limits.allowance import Allowance
from gateway.tests.harness import Clock

ADDRESS, OTHER = "192.0.2.1", "192.0.2.2"


def taken(held: Allowance, address: str, wanted: int = 100) -> int:
    """How many of ``wanted`` the address gets now."""
    count = 0
    for _ in range(wanted):
        if held.wait_s(address) == 0:
            held.count(address)
            count += 1
    return count


def test_an_address_gets_its_number_and_regains_it_in_time() -> None:
    clock = Clock()
    held = Allowance(20, 0.1, clock)
    assert taken(held, ADDRESS) == 20
    assert held.wait_s(ADDRESS) == pytest.approx(0.1, abs=0.001)
    assert taken(held, OTHER) == 20
    clock.now += 0.301
    assert taken(held, ADDRESS) == 3
    clock.now += 60
    assert taken(held, ADDRESS) == 20


def test_addresses_of_one_ipv6_network_share_their_number() -> None:
    held = Allowance(5, 1.0, Clock())
    assert [taken(held, f"2001:db8::{number}", 2) for number in (1, 2, 3, 4)] == [2, 2, 1, 0]
    assert taken(held, "2001:db8:0:1::1") == 5


def test_the_address_of_the_longest_past_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "MOST_ADDRESSES", 3)
    held = Allowance(1, 1.0, Clock())
    for number in range(5):
        held.count(f"192.0.2.{number}")
    assert len(held) == 3
    assert [held.wait_s(f"192.0.2.{number}") > 0 for number in range(5)] == [False, False, True, True, True]

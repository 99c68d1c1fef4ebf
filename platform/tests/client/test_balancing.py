"""Which instance gets the next request."""

import random
from collections import Counter

import pytest

from atoll.client import LeastConnections, Random, RoundRobin, TwoChoices
from atoll.discovery.instances import Instance

A, B, C = (Instance(name, f"10.0.0.{n}", 8000) for n, name in enumerate("abc", 1))
HEAVY = Instance("heavy", "10.0.0.9", 8000, {"weight": 3})
OFF = Instance("off", "10.0.0.8", 8000, {"weight": 0})


def picks(strategy, instances, count=3000, running=None):
    held = running or {}
    return Counter(strategy.pick(instances, lambda i: held.get(i.id, 0)).id for _ in range(count))


def test_round_robin_takes_each_in_turn_whatever_the_order_it_is_given():
    strategy = RoundRobin()

    first = [strategy.pick([A, B, C], lambda i: 0).id for _ in range(3)]
    then = [strategy.pick([C, A, B], lambda i: 0).id for _ in range(3)]
    assert first == then == ["a", "b", "c"]


@pytest.mark.parametrize("make", [Random, TwoChoices, LeastConnections])
def test_equal_instances_get_equal_shares(make):
    shares = picks(make(random.Random(7)), [A, B, C])

    assert all(900 < shares[name] < 1100 for name in "abc")


@pytest.mark.parametrize("make", [RoundRobin, Random, TwoChoices, LeastConnections])
def test_a_single_instance_is_taken(make):
    assert make().pick([A], lambda i: 9).id == "a"


def test_random_follows_the_weights():
    shares = picks(Random(random.Random(7)), [A, HEAVY])

    assert 2.6 < shares["heavy"] / shares["a"] < 3.4


def test_least_connections_takes_the_idle_one_and_counts_weight():
    strategy = LeastConnections(random.Random(7))

    assert picks(strategy, [A, B], 50, {"a": 1}) == {"b": 50}
    assert picks(strategy, [A, HEAVY], 50, {"a": 1, "heavy": 2}) == {"heavy": 50}


def test_of_two_the_busier_is_not_chosen():
    assert picks(TwoChoices(random.Random(7)), [A, B], 50, {"a": 3, "b": 1}) == {"b": 50}


@pytest.mark.parametrize("make", [Random, TwoChoices, LeastConnections])
def test_weight_zero_gets_nothing_while_there_is_another(make):
    assert picks(make(random.Random(7)), [A, OFF], 50) == {"a": 50}
    assert picks(make(random.Random(7)), [OFF], 5) == {"off": 5}

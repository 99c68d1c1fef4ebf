"""The four strategies, alone and chosen per service in a published table."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.edge.routes import snapshot
from gateway.edge.upstream import balance
from gateway.edge.upstream.settings import STRATEGIES, ServiceSettings
from gateway.tests.harness import Gateway, row, table
from gateway.tests.upstream import Upstream

SERVICE = "product-service"


@dataclass
class One:
    name: str
    weight: float = 1.0
    in_flight: int = 0
    turn: float = 0.0

    def load(self) -> float:
        return (self.in_flight + 1) / self.weight


def names(pick: Callable[[list[One]], One], endpoints: list[One], times: int) -> list[str]:
    return [pick(endpoints).name for _ in range(times)]


def test_round_robin_takes_turns_in_proportion_to_the_weights() -> None:
    three = [One("a", 3), One("b"), One("c")]

    assert names(balance.round_robin, three, 10) == list("abaca") * 2
    assert names(balance.round_robin, [One("a"), One("b")], 4) == list("abab")


def test_random_is_in_proportion_to_the_weights() -> None:
    found = Counter(names(balance.at_random, [One("a", 3), One("b")], 4000))

    assert 2850 < found["a"] < 3150


def test_least_connections_takes_the_least_loaded_and_a_random_one_of_several() -> None:
    four = [One("a", in_flight=1), One("b"), One("c"), One("d", weight=0.5)]

    assert set(names(balance.least_connections, four, 100)) == {"b", "c"}


def test_two_choices_never_takes_the_most_loaded_of_all() -> None:
    three = [One("a", in_flight=9), One("b"), One("c", in_flight=1)]

    assert set(names(balance.two_choices, three, 100)) == {"b", "c"}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_strategy_uses_one_instance_and_all_instances(
    gateway: Gateway, make_upstream: Callable[[], Upstream], strategy: str
) -> None:
    three = [make_upstream() for _ in range(3)]
    document = table(row("open", "/open"), version=2)
    gateway.publish(document | {"services": [{"name": SERVICE, "strategy": strategy}]})
    gateway.knows(SERVICE, three[0])
    assert {gateway.get("/open/x").status for _ in range(3)} == {200}

    gateway.knows(SERVICE, *three)
    assert {gateway.get("/open/x").status for _ in range(30)} == {200}
    counts = [len(one.of("/open")) for one in three]
    assert min(counts) >= 1
    if strategy == "round-robin":
        assert counts == [3 + 10, 10, 10]


def test_a_table_from_before_services_had_settings_still_works(gateway: Gateway) -> None:
    assert snapshot.read(table(row("open", "/open"))).services == {}
    assert gateway.components.directory.settings(SERVICE) == ServiceSettings(SERVICE)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": "Bad_Name"}, "its name must be"),
        ({"strategy": "fastest"}, "the strategy must be one of two-choices"),
        ({"url": "ftp://a"}, "must look like http://name"),
        ({"url": "http://a/path"}, "must look like http://name"),
        ({"url": "http://user@a"}, "must look like http://name"),
        ({"url": "http://a:99999"}, "must look like http://name"),
        ({"url": "http://a:0"}, "must look like http://name"),
        ({"max_in_flight": 0}, "requests may be in flight"),
        ({"max_in_flight": "many"}, "cannot be read"),
        ({"health": {"path": "//x y"}}, "the path of the health check"),
        ({"health": {"path": "/h", "interval_s": 0}}, "the interval of the health check"),
        ({"health": {"path": "/h", "interval_s": float("nan")}}, "the interval of the health check"),
        ({"health": {"path": "/h", "timeout_s": 60}}, "the time-out of the health check"),
        ({"health": {"path": "/h", "unhealthy_after": 0}}, "checks take an instance out"),
        ({"health": 5}, "cannot be read"),
    ],
)
def test_invalid_settings_of_a_service_are_refused_with_their_reason(
    fields: dict[str, Any], problem: str
) -> None:
    document = table(row("open", "/open")) | {"services": [{"name": "a-service", **fields}]}

    with pytest.raises(snapshot.InvalidConfiguration, match=problem):
        snapshot.read(document)


@pytest.mark.parametrize("services", [5, [5], [None], {"a": 1}, [{"name": "a"}, {"name": "a"}]])
def test_what_is_no_list_of_services_is_refused(services: Any) -> None:
    with pytest.raises(snapshot.InvalidConfiguration):
        snapshot.read(table(row("open", "/open")) | {"services": services})

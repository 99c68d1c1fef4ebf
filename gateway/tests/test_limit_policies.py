"""Which limit counts for which caller, at the edge."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from atoll import conf
from atoll.identity.principal import Principal
from atoll.ids import uuid7
from atoll.testing.tokens import access_token
from gateway.edge.identity.api_keys import Machine
from gateway.edge.limits.rules import Counting, Rule
from gateway.edge.limits.shared_buckets import KEY
from gateway.edge.routes import snapshot
from gateway.tests.harness import Gateway, row, table, until

Make = Callable[..., Gateway]


@pytest.fixture
def name() -> Iterator[str]:
    """A policy for this test alone. Its counters leave the store at the end."""
    name = f"t{uuid7().hex[-12:]}"
    yield name
    with redis.Redis.from_url(conf.redis_url()) as store:
        for key in store.scan_iter(f"{KEY}*{name}*"):
            store.delete(key)


def limited(make_gateway: Make, *policies: dict[str, Any], **route: Any) -> Gateway:
    gateway = make_gateway(row("open", "/open"))
    rows = [row("a", "/a", **route), row("b", "/b", **route)]
    gateway.publish(table(*rows, version=2) | {"limits": list(policies)})
    until(lambda: gateway.components.limiter.shares)
    return gateway


def statuses(gateway: Gateway, times: int, *paths: str, token: str = "") -> list[int]:
    fields = {"Authorization": f"Bearer {token}"} if token else {}
    return [gateway.get(path, **fields).status for _ in range(times) for path in paths]


def test_a_policy_for_anonymous_callers_counts_its_routes_together_and_nobody_else(
    make_gateway: Make, name: str
) -> None:
    rule = {"name": name, "limit": 4, "window_s": 900, "applies_to": "anonymous", "routes": ["a", "b"]}
    gateway = limited(make_gateway, rule)

    assert statuses(gateway, 3, "/a/x", "/b/x") == [200] * 4 + [429] * 2
    assert gateway.get("/a/x").headers["ratelimit-policy"] == f'"{name}";q=4;w=900'
    assert statuses(gateway, 6, "/a/x", token=access_token()) == [200] * 6


def test_a_policy_replaces_the_limit_of_the_route_where_it_applies(make_gateway: Make, name: str) -> None:
    rule = {
        "name": name,
        "limit": 3,
        "window_s": 900,
        "key": "user",
        "applies_to": "signed_in",
        "routes": ["a"],
    }
    gateway = limited(make_gateway, rule, rate_limit=5, rate_window_s=int(uuid7().int % 80_000) + 900)
    ada, bob = access_token(), access_token()

    assert statuses(gateway, 4, "/a/x", token=ada) == [200] * 3 + [429]
    assert statuses(gateway, 3, "/a/x", token=bob) == [200] * 3
    assert statuses(gateway, 6, "/a/x") == [200] * 5 + [429]


def test_a_policy_may_count_all_callers_of_its_routes_together(make_gateway: Make, name: str) -> None:
    rule = {"name": name, "limit": 3, "window_s": 900, "key": "route", "routes": ["a"]}
    gateway = limited(make_gateway, rule)

    assert statuses(gateway, 1, "/a/x", token=access_token()) == [200]
    assert statuses(gateway, 1, "/a/x", token=access_token()) == [200]
    assert statuses(gateway, 2, "/a/x") == [200, 429]
    assert statuses(gateway, 5, "/b/x") == [200] * 5


def caller(kind: str) -> Principal | None:
    values: dict[str, Any] = {
        "roles": frozenset(),
        "service": None,
        "token_id": "",
        "email": None,
        "name": None,
    }
    if kind == "machine":
        return Machine(id="consumer:shop", kind="consumer", consumer="shop", **values)
    return Principal(id="ada", kind="user", **values) if kind == "user" else None


@pytest.mark.parametrize(
    ("key", "kind", "counted_as"),
    [
        ("user", "user", "user:ada"),
        ("user", "machine", "key:shop"),
        ("user", "nobody", "ip:2001:db8:0:1::/64"),
        ("api_key", "machine", "key:shop"),
        ("api_key", "user", "ip:2001:db8:0:1::/64"),
        ("address", "user", "ip:2001:db8:0:1::/64"),
        ("address", "machine", "ip:2001:db8:0:1::/64"),
        ("route", "user", "all"),
        ("route", "nobody", "all"),
    ],
)
def test_each_kind_of_key_tells_callers_apart(key: str, kind: str, counted_as: str) -> None:
    counting = Counting(Rule("r", 1, 1), key)

    assert counting.asker(caller(kind), "2001:db8:0:1:ffff::7") == counted_as


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ([{"name": "p", "limit": 0, "window_s": 1}], "the limit must be"),
        ([{"name": "p", "limit": 1, "window_s": 0}], "the window must be"),
        ([{"name": "P", "limit": 1, "window_s": 1}], "its name must be"),
        ([{"name": "p", "limit": 1, "window_s": 1, "key": "x"}], "it must count by"),
        ([{"name": "p", "limit": 1, "window_s": 1, "applies_to": "x"}], "it must apply to"),
        ([{"name": "p", "limit": 1, "window_s": 1}] * 2, "have one name"),
        ([{"name": one, "limit": 1, "window_s": 1, "routes": ["open"]} for one in "pq"], "both apply to"),
        ([{"name": "p"}], "cannot be read"),
        ([7], "cannot be read"),
    ],
)
def test_invalid_policies_are_refused_with_their_reason(limits: Any, problem: str) -> None:
    with pytest.raises(snapshot.InvalidConfiguration, match=problem):
        snapshot.read(table(row("open", "/open")) | {"limits": limits})

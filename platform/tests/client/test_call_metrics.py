"""Every call counts once, with its outcome; retries and breakers are counted beside it."""

from contextlib import suppress

import pytest
from prometheus_client import REGISTRY

from atoll.client.failures import NotSent
from atoll.errors import CircuitOpen, Unavailable
from client.world import OK, World, answer


def calls() -> dict[str, float]:
    return {
        outcome: REGISTRY.get_sample_value(
            "client_call_seconds_count", {"peer": "user-service", "outcome": outcome}
        )
        or 0.0
        for outcome in ("ok", "refused", "failed")
    }


def test_a_call_counts_once_with_its_retries_and_its_outcome():
    before = calls()
    World({"a": [OK]}).client().get("/", token=False)
    World({"a": [answer(404)]}).client().get("/", token=False)
    World({"a": [NotSent, OK]}).client().get("/", token=False)
    for broken in (answer(503), NotSent):
        with suppress(Unavailable):
            World({"a": [broken]}).client().get("/", token=False)
    after = calls()
    assert {name: after[name] - before[name] for name in after} == {"ok": 2, "refused": 1, "failed": 2}


def sample(name: str) -> float:
    return REGISTRY.get_sample_value(name, {"peer": "user-service"}) or 0.0


def breakers() -> tuple[float, float, float]:
    """How many are open now, how often one opened, and how many calls none let through."""
    names = ("client_breakers_open", "client_breaker_opened_total", "client_stopped_total")
    now_open, opened, stopped = map(sample, names)
    return now_open, opened, stopped


def fail(world: World, times: int) -> None:
    for _ in range(times):
        with suppress(Unavailable):
            world.client().post("/", json={}, token=False)


def test_a_request_that_is_sent_again_counts_as_a_retry():
    before = sample("client_retries_total")
    World({"a": [NotSent, NotSent, OK]}).client().get("/", token=False)
    World({"a": [OK]}).client().get("/", token=False)
    assert sample("client_retries_total") - before == 2


def test_a_breaker_counts_when_it_opens_and_shows_until_a_probe_succeeds():
    world = World({"a": [*[answer(503)] * 6, OK]})
    _, opened, stopped = breakers()
    fail(world, times=4)
    assert breakers() == (0, opened, stopped)
    fail(world, times=1)
    assert breakers() == (1, opened + 1, stopped)
    with pytest.raises(CircuitOpen):
        world.client().get("/", token=False)
    assert breakers() == (1, opened + 1, stopped + 1)
    world.clock.sleep(2)
    fail(world, times=1)  # the probe
    assert breakers() == (1, opened + 2, stopped + 1)
    world.clock.sleep(60)
    world.client().get("/", token=False)
    assert breakers() == (0, opened + 2, stopped + 1)


def test_an_instance_that_is_gone_takes_its_open_breaker_with_it():
    world = World({"a": [answer(503)], "b": [OK]})
    both, world.instances = world.instances, world.instances[:1]
    fail(world, times=5)
    assert breakers()[0] == 1
    world.instances = both[1:]
    world.client().get("/", token=False)
    assert breakers()[0] == 0

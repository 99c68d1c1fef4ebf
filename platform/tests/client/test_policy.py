"""The service client follows the shared table of outcomes."""

from contextlib import suppress

import pytest

from atoll.client.policy import FAILURES_TO_OPEN
from atoll.errors import Unavailable
from atoll.testing.outcomes import OUTCOMES, Outcome
from client.world import OK, World, answer


def world_with(outcome: Outcome) -> World:
    """Instance a has the outcome, instance b is well."""
    step = answer(outcome.got) if isinstance(outcome.got, int) else outcome.got
    return World({"a": [step], "b": [OK]})


@pytest.mark.parametrize("outcome", OUTCOMES, ids=str)
def test_a_breaker_counts_what_the_table_counts(outcome):
    world = world_with(outcome)
    world.instances = world.instances[:1]
    for _ in range(FAILURES_TO_OPEN):
        with suppress(Unavailable):
            world.client().post("/users", json={}, token=False)

    breaker = world.pool.breaker("user-service", world.instances[0])
    assert (breaker.state == "open") is outcome.opens_breaker


@pytest.mark.parametrize("outcome", OUTCOMES, ids=str)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_is_repeated_where_the_table_repeats_it(outcome, method):
    world = world_with(outcome)
    with suppress(Unavailable):
        world.client().request(method, "/users", token=False)

    repeats = outcome.repeats_read if method == "GET" else outcome.repeats_write
    assert world.hosts == (["a", "b"] if repeats else ["a"])

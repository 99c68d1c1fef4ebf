"""Five failures open it for a minute; then one probe at a time decides."""

import pytest

from atoll.client.breaker import Breaker
from atoll.errors import CircuitOpen, DeadlineExceeded, Unavailable
from client.world import OK, Clock, NoReply, NotSent, TimedOut, World, answer


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return Breaker(clock=clock)


def fail(breaker, times):
    for _ in range(times):
        assert breaker.allow()
        breaker.failed()


def test_four_failures_leave_it_closed_and_the_fifth_opens_it(breaker):
    fail(breaker, 4)
    assert breaker.state == "closed"
    fail(breaker, 1)
    assert breaker.state == "open"
    assert not breaker.allow()


def test_a_success_in_between_starts_the_count_again(breaker):
    fail(breaker, 4)
    assert breaker.allow()
    breaker.succeeded()
    fail(breaker, 4)

    assert breaker.state == "closed"


def test_after_a_rest_one_probe_is_let_through_and_its_success_closes_it(breaker, clock):
    fail(breaker, 5)
    clock.sleep(0.9)
    assert not breaker.allow()
    assert breaker.retry_after_s() == pytest.approx(0.1)

    clock.sleep(0.1)
    assert breaker.allow()
    assert not breaker.allow(), "one probe at a time"
    breaker.succeeded()

    assert breaker.state == "closed"
    assert breaker.allow()


def test_every_failed_probe_doubles_the_rest_up_to_a_minute(breaker, clock):
    fail(breaker, 5)
    rests = []
    for _ in range(8):
        rests.append(breaker.retry_after_s())
        clock.sleep(rests[-1])
        fail(breaker, 1)

    assert rests == [1, 2, 4, 8, 16, 32, 60, 60]


def test_the_next_time_it_opens_the_rest_is_small_again(breaker, clock):
    fail(breaker, 5)
    clock.sleep(1)
    fail(breaker, 1)
    clock.sleep(2)
    assert breaker.allow()
    breaker.succeeded()
    fail(breaker, 5)

    assert breaker.retry_after_s() == 1


def test_a_probe_from_which_nothing_was_learned_makes_room_for_another(breaker, clock):
    fail(breaker, 5)
    clock.sleep(1)
    assert breaker.allow()
    breaker.released()

    assert breaker.state == "half-open"
    assert breaker.allow()


def test_a_late_success_from_before_it_opened_does_not_close_it(breaker):
    assert breaker.allow()
    fail(breaker, 5)
    breaker.succeeded()

    assert breaker.state == "open"


@pytest.mark.parametrize("failure", [NotSent, NoReply, TimedOut, answer(502), answer(503), answer(504)])
def test_an_instance_that_keeps_failing_is_left_alone_while_its_sibling_works(failure):
    world = World({"a": [failure], "b": [OK]})
    client = world.client()
    for _ in range(12):
        try:
            client.post("/users", json={}, token=False)
        except Unavailable:
            continue
    assert world.hosts.count("a") == 5

    world.sent.clear()
    for _ in range(4):
        client.post("/users", json={}, token=False)
    assert world.hosts == ["b"] * 4


def test_when_all_are_open_the_caller_is_told_when_to_come_back_and_nothing_is_sent():
    world = World({"a": [answer(503)]})
    client = world.client()
    for _ in range(5):
        with pytest.raises(Unavailable):
            client.post("/users", json={}, token=False)

    with pytest.raises(CircuitOpen) as refusal:
        client.get("/users/1", token=False)
    assert refusal.value.retry_after_s == 1
    assert len(world.sent) == 5


def test_4xx_answers_never_open_it():
    world = World({"a": [answer(404)]})
    client = world.client()

    assert [client.get("/users/1", token=False).status for _ in range(20)] == [404] * 20


def test_a_caller_in_a_hurry_is_no_evidence_against_the_instance():
    world = World({"a": [TimedOut]})
    for _ in range(10):
        with pytest.raises(Unavailable):
            world.client().get("/users/1", token=False, timeout_s=0.1)

    assert len(world.sent) == 10


def test_a_client_whose_time_out_is_short_counts_its_time_outs():
    world = World({"a": [TimedOut]})
    client = world.client(timeout_s=0.1)
    for _ in range(5):
        with pytest.raises(DeadlineExceeded):
            client.get("/users/1", token=False)

    with pytest.raises(CircuitOpen):
        client.get("/users/1", token=False)


def test_an_instance_that_is_gone_is_forgotten():
    world = World({"a": [answer(500)], "b": [OK]})
    (gone, stays) = world.instances
    world.pool.breaker("user-service", gone)
    before = world.pool.breaker("user-service", stays)
    world.instances = [stays]

    world.client().get("/users/1", token=False)

    assert world.pool.breaker("user-service", stays) is before
    assert ("user-service", gone.id) not in world.pool._breakers

"""What is asked again, when, and what never."""

import pytest

from atoll.client import Retry
from atoll.client.budget import Budget
from atoll.discovery.instances import Instance
from atoll.errors import BadAnswer, DeadlineExceeded, NoInstance, NotAllowed, Unavailable
from client.world import OK, Clock, NoReply, NotSent, TimedOut, World, answer


def test_a_read_that_broke_is_asked_again_at_another_instance():
    world = World({"a": [NoReply], "b": [OK]})

    reply = world.client().get("/users/1", token=False)

    assert (reply.status, reply.json()) == (200, {"ok": True})
    assert world.hosts == ["a", "b"]


@pytest.mark.parametrize("failure", [NoReply, answer(502), answer(503), answer(504)])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_write_that_may_have_arrived_is_never_asked_again(method, failure):
    world = World({"a": [failure], "b": [OK]})

    with pytest.raises(Unavailable):
        world.client().request(method, "/users", json={}, token=False)
    assert world.hosts == ["a"]


def test_a_write_that_certainly_did_not_arrive_is_asked_again():
    world = World({"a": [NotSent], "b": [OK]})

    assert world.client().post("/users", json={}, token=False).ok
    assert world.hosts == ["a", "b"]


def test_a_write_with_an_idempotency_key_is_asked_again_with_the_same_key():
    world = World({"a": [NoReply], "b": [OK]})

    world.client().post("/users", json={}, idempotency_key="k-1", token=False)

    assert [sent.headers["Idempotency-Key"] for sent in world.sent] == ["k-1", "k-1"]


def test_there_are_at_most_three_retries():
    world = World({"a": [answer(503)]})

    with pytest.raises(BadAnswer):
        world.client().get("/users/1", token=False)
    assert len(world.sent) == 4


@pytest.mark.parametrize("status", [400, 401, 404, 409, 422, 429])
def test_a_4xx_is_an_answer(status):
    world = World({"a": [answer(status)], "b": [OK]})

    assert world.client().get("/users/1", token=False).status == status
    assert world.hosts == ["a"]


def test_a_500_is_an_error_and_not_asked_again():
    world = World({"a": [answer(500)], "b": [OK]})

    with pytest.raises(BadAnswer):
        world.client().get("/users/1", token=False)
    assert world.hosts == ["a"]


def test_pauses_double_and_stay_below_the_limit():
    retry = Retry(draw=lambda low, high: high)

    assert [retry.pause_s(n) for n in range(1, 7)] == [0.05, 0.1, 0.2, 0.4, 0.8, 1.0]


def test_the_jitter_is_full():
    drawn = []
    retry = Retry(draw=lambda low, high: drawn.append((low, high)) or low)

    assert retry.pause_s(3) == 0.0
    assert drawn == [(0.0, 0.2)]


def test_retry_after_is_waited_for():
    world = World({"a": [answer(503, Retry_After="2"), OK]})
    begun = world.clock.now

    world.client().get("/users/1", token=False)

    assert world.clock.now - begun == 2.0


def test_a_retry_after_beyond_the_deadline_is_told_at_once():
    world = World({"a": [answer(503, Retry_After="30")]})
    begun = world.clock.now

    with pytest.raises(BadAnswer) as refusal:
        world.client().get("/users/1", token=False)
    assert (refusal.value.retry_after_s, world.clock.now) == (30.0, begun)


def test_retries_end_when_the_budget_is_spent():
    world = World({"a": [answer(503)]})
    budget = world.pool.budget("user-service")
    while budget.withdraw():
        continue

    with pytest.raises(BadAnswer):
        world.client().get("/users/1", token=False)
    assert len(world.sent) == 1


def test_five_requests_earn_one_retry():
    budget = Budget(Clock())
    while budget.withdraw():
        continue
    for _ in range(4):
        budget.deposit()
    assert not budget.withdraw()
    budget.deposit()
    assert budget.withdraw()
    assert not budget.withdraw()


def test_a_time_out_is_told_as_such():
    world = World({"a": [TimedOut]})

    with pytest.raises(DeadlineExceeded):
        world.client().get("/users/1", token=False)
    assert len(world.sent) == 1


def test_without_an_instance_nothing_is_sent():
    world = World({})

    with pytest.raises(NoInstance):
        world.client().get("/users/1", token=False)


def test_a_registry_that_refuses_us_is_not_the_fault_of_whoever_asked():
    def refuse(service: str) -> list[Instance]:
        raise NotAllowed("the registry answered 401")

    with pytest.raises(Unavailable, match="the registry refuses this service"):
        World({}).client(resolve=refuse).get("/users/1", token=False)

"""Runs against a shop in miniature."""

import pytest

from demo.shopper import PlatformNotRunning, Refused
from load.open_loop import LATE
from load.outcomes import Outcome
from load.run import Plan, Run
from load.tests.shop import Shop


def plan(shop: Shop, **changes: object) -> Plan:
    values = {"per_s": 40, "seconds": 0.5, "connections": 4, "settle_s": 5, "poll_s": 0.05} | changes
    return Plan(shop.url, **values)  # type: ignore[arg-type]


def finished(shop: Shop, **changes: object) -> Run:
    run = Run(plan(shop, **changes))
    run.start()
    run.loop.join()
    run.conclude()
    return run


def test_every_planned_order_is_placed_once_and_followed_until_it_is_final(shop):
    run = finished(shop)
    found = run.results()
    assert (found["sent"], found["accepted"], found["failed"]) == (20, 20, 0)
    assert len(shop.keys) == 20
    assert found["final"] == {"confirmed": 20}
    assert found["final_p50_ms"] == pytest.approx(250, rel=0.011)
    assert run.outcome == Outcome(lost=0, not_final=0, doubled=0)


def test_a_late_answer_delays_no_other_order_and_counts_from_the_due_time(shop):
    """One connection and a first answer after all orders are due: the later ones were late by as much."""
    shop.may_answer.clear()
    run = Run(plan(shop, connections=1, per_s=20, poll_s=None))
    run.start()
    assert shop.at_order.wait(5)
    assert not run.loop.stopping.wait(0.6)
    shop.may_answer.set()
    run.loop.join()
    run.conclude()
    found = run.results()
    assert found["accepted"] == 10
    # The median order was due after 0.25 s and was sent after 0.6 s.
    assert found["post_p50_ms"] >= 340


def test_orders_that_no_connection_could_send_in_time_are_errors(shop):
    shop.may_answer.clear()
    run = Run(plan(shop, connections=1, per_s=20, timeout_s=0.2))
    run.start()
    run.loop.join()
    shop.may_answer.set()
    run.conclude()
    errors = run.figures.errors
    assert errors["no answer in time"] >= 1
    assert errors[LATE] >= 1
    assert sum(errors.values()) == 10


def test_errors_are_counted_by_kind(shop):
    shop.refusals = [(409, {"code": "too_many_open_orders"}), (503, {}), (503, {})]
    found = finished(shop).results()
    assert found["errors"] == {"503": 2, "409 too_many_open_orders": 1}
    assert (found["accepted"], found["doubled"]) == (17, 0)


def test_an_order_without_an_answer_is_not_counted_as_doubled(shop):
    shop.may_answer.clear()
    run = Run(plan(shop, connections=2, per_s=4, timeout_s=0.3))
    run.start()
    run.loop.join()
    shop.may_answer.set()
    run.conclude()
    assert run.loop.unclear == 2
    assert run.outcome
    assert (run.outcome.lost, run.outcome.doubled) == (0, 0)


@pytest.mark.parametrize(
    ("fate", "outcome"),
    [
        ("lost", Outcome(lost=20, not_final=0, doubled=0)),
        ("doubled", Outcome(lost=0, not_final=0, doubled=20)),
        ("pending", Outcome(lost=0, not_final=20, doubled=0)),
    ],
)
def test_lost_doubled_and_open_orders_are_told_apart(shop, fate, outcome):
    shop.fate = fate
    assert finished(shop, settle_s=0.2).outcome == outcome


def test_a_cancelled_order_counts_with_its_reason(shop):
    shop.fate = "cancelled"
    assert finished(shop).results()["final"] == {"cancelled: out_of_stock": 20}


def test_more_orders_than_a_page_holds_are_all_followed(shop):
    found = finished(shop, per_s=500, connections=1, poll_s=None).results()
    assert found["final"] == {"confirmed": 250}
    assert found["not_final"] == 0


def test_a_token_that_ended_is_replaced_and_no_order_is_placed_twice(shop):
    run = Run(plan(shop))
    shop.ended = {f"{token['Authorization'].removeprefix('Bearer ')}" for token in tokens(run)}
    run.start()
    run.loop.join()
    assert run.conclude() == Outcome(lost=0, not_final=0, doubled=0)
    assert run.results()["accepted"] == len(shop.keys) == 20


def tokens(run: Run) -> list[dict[str, str]]:
    return [customer.token() for customer in run.outcomes._open]


def test_without_a_rate_each_connection_orders_again_once_it_is_answered(shop):
    run = finished(shop, per_s=None, seconds=0.3, poll_s=None)
    assert run.results()["accepted"] == len(shop.keys) > 8
    assert run.outcome == Outcome(lost=0, not_final=0, doubled=0)


def test_a_shop_that_goes_away_leaves_the_outcome_unknown(shop):
    run = Run(plan(shop, settle_s=0.2))
    run.start()
    run.loop.join()
    shop.health = 503
    for customer in run.outcomes._open:
        customer.gateway_url = "http://127.0.0.2:9"
    for connection in run.outcomes._connections.values():
        connection._shopper.gateway_url = "http://127.0.0.2:9"
    outcome = run.conclude()
    assert (outcome.lost, outcome.doubled) == (None, None)


def test_a_gateway_that_is_not_ready_gets_no_orders(shop):
    shop.health = 503
    with pytest.raises(PlatformNotRunning):
        Run(plan(shop))
    assert shop.orders == {}


def test_an_empty_shop_is_refused_before_the_run(shop):
    shop.stock = 3
    with pytest.raises(Refused, match="50 pieces"):
        Run(plan(shop))

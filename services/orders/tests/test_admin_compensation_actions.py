"""The admin pages and actions for an order with a failed compensation."""

import pytest
from django.contrib.admin.models import LogEntry

from atoll.admin.tiles import tiles
from services.orders.models import Order
from services.orders.tests.placing import BY_CUSTOMER, placed
from services.orders.tests.test_admin import LIST, page
from services.orders.usecases.cancel_order import cancel_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def broken(atoll_bus) -> Order:
    """The stock came back, the money did not."""
    order = placed()
    atoll_bus.deliver("stock.reserved", {"orderId": str(order.id)}, times=1)
    cancel_order(order.id, BY_CUSTOMER, reason="changed my mind")
    atoll_bus.deliver("stock.released", {"orderId": str(order.id)}, times=1)
    refusal = {"orderId": str(order.id), "reason": "ledgers_disagree"}
    atoll_bus.deliver("payment.refund_failed", refusal, times=1)
    return order


def state(order: Order, kind: str = "refund.payment") -> str:
    return order.compensations.get(kind=kind).state


def at(order: Order, action: str = "change") -> str:
    return f"{LIST}{order.id}/{action}/"


def log_of(order: Order) -> list[str]:
    return list(LogEntry.objects.filter(object_id=str(order.id)).values_list("change_message", flat=True))


def settle(client, order: Order, **values):
    return client.post(
        at(order, "settle"), {"_form_submitted": "True", "compensation": "refund.payment"} | values
    )


def test_the_first_page_counts_them_and_leads_to_them(staff, broken):
    fine = placed()
    figures = {tile.title: tile for tile in tiles()}["Orders with a failed compensation"]
    assert (figures.value, figures.is_alarming, figures.url) == ("1", True, f"{LIST}?progress=failed")
    shown = page(staff.get(LIST, {"progress": "failed"}))
    assert str(broken.id) in shown
    assert str(fine.id) not in shown
    assert "Failed, needs attention" in shown
    assert str(broken.id) not in page(staff.get(LIST, {"progress": "undoing"}))


def test_what_is_being_undone_can_be_listed_and_each_order_says_how_far_it_is(staff, atoll_bus):
    order = placed()
    cancel_order(order.id, BY_CUSTOMER, reason="changed my mind")
    assert str(order.id) in page(staff.get(LIST, {"progress": "undoing"}))
    assert "Asked for" in page(staff.get(at(order)))
    atoll_bus.deliver("stock.released", {"orderId": str(order.id)}, times=1)
    assert str(order.id) not in page(staff.get(LIST, {"progress": "undoing"}))
    assert "release.stock done" in page(staff.get(at(order)))


def test_the_page_of_the_order_says_what_failed_and_offers_what_can_be_done(staff, broken):
    shown = page(staff.get(at(broken)))
    for text in (
        "Failed, needs attention",
        "Refund of the payment",
        "ledgers_disagree",
        "Ask again",
        "Settled by hand…",
    ):
        assert text in shown
    assert "Cancel…" not in shown
    fine = page(staff.get(at(placed())))
    assert "Ask again" not in fine
    assert "Settled by hand…" not in fine


def test_both_actions_ask_before_they_act(staff, broken, atoll_bus):
    before = len(atoll_bus.sent())
    assert "harmless where it was carried out before" in page(staff.get(at(broken, "ask-again")))
    settling = page(staff.get(at(broken, "settle")))
    for text in ("discard its dead letter", 'name="reason"', 'name="compensation"'):
        assert text in settling
    assert (state(broken), len(atoll_bus.sent()), log_of(broken)) == ("failed", before, [])


def test_asking_again_sends_the_command_once_more_and_is_logged(staff, broken, atoll_bus):
    answer = staff.post(at(broken, "ask-again"), {"_form_submitted": "True"}, follow=True)

    assert "refund of the payment asked for again" in page(answer)
    assert (state(broken), state(broken, "release.stock")) == ("asked", "done")
    assert [m["command"] for m in atoll_bus.sent()][-2:] == ["refund.payment", "refund.payment"]
    assert broken.history.last().actor == "staff:stan"
    assert log_of(broken) == ["Asked again: refund of the payment"]


def test_many_orders_are_asked_again_at_once_and_those_that_need_it_not_are_named(staff, broken, atoll_bus):
    fine = placed()
    selected = {"action": "ask_selected_again", "_selected_action": [str(broken.id), str(fine.id)]}
    shown = page(staff.post(LIST, selected, follow=True))
    assert f"Order {broken.id}: refund of the payment asked for again" in shown
    assert f"Order {fine.id} has no failed compensation" in shown
    assert state(broken) == "asked"
    assert (log_of(fine), len(atoll_bus.sent("refund.payment"))) == ([], 2)


def test_settling_by_hand_needs_a_reason_and_is_logged(staff, broken, atoll_bus):
    assert settle(staff, broken, reason=" ").status_code == 200
    assert settle(staff, broken, reason="\u200b").status_code == 200
    assert (state(broken), log_of(broken)) == ("failed", [])

    assert settle(staff, broken, reason="Paid back by bank transfer").status_code == 302

    assert state(broken) == "settled"
    assert broken.history.last().reason == "Paid back by bank transfer"
    assert log_of(broken) == ["Refund of the payment settled by hand: Paid back by bank transfer"]
    assert len(atoll_bus.sent("refund.payment")) == 1


def test_what_did_not_fail_cannot_be_settled(staff, broken):
    answer = settle(staff, broken, compensation="release.stock", reason="by hand")
    assert "Only what failed can be settled by hand" in page(staff.get(answer["Location"]))
    assert state(broken, "release.stock") == "done"
    for order_id in (placed().id, "no-id"):
        assert staff.post(f"{LIST}{order_id}/settle/", {"_form_submitted": "True"}).status_code == 403
        assert staff.post(f"{LIST}{order_id}/ask-again/", {"_form_submitted": "True"}).status_code == 403


def test_nobody_who_is_not_signed_in_mends_anything(client, broken, atoll_bus):
    before = len(atoll_bus.sent())
    for action in ("ask-again", "settle"):
        answer = client.post(at(broken, action), {"_form_submitted": "True", "reason": "x"})
        assert answer.status_code in (302, 403)
    assert (state(broken), len(atoll_bus.sent())) == ("failed", before)

"""Staff ask again for a failed compensation, or settle it by hand."""

import pytest
from django.utils import timezone

from atoll.errors import Conflict, InvalidInput, NotFound
from atoll.ids import uuid7
from services.orders.compensation import Compensation
from services.orders.tests.compensating import BY_STAFF, TOO_LATE, commands, compensations, last, tell
from services.orders.usecases.ask_again import ask_again
from services.orders.usecases.settle_by_hand import settle_by_hand

pytestmark = pytest.mark.django_db


def test_asking_again_sends_only_what_failed_with_a_deadline_of_its_own(atoll_bus, cancelled):
    tell(atoll_bus, "stock.released", cancelled)
    tell(atoll_bus, "payment.refund_failed", cancelled, reason="provider_unavailable")

    assert ask_again(cancelled.id, BY_STAFF) == [Compensation.REFUND]

    refund = cancelled.compensations.get(kind="refund.payment")
    assert (refund.state, refund.asks, refund.reason) == ("asked", 2, "")
    assert commands(atoll_bus) == ["release.stock", "refund.payment", "refund.payment"]
    assert cancelled.history.last().actor == "staff:stan"
    atoll_bus.run_due(timezone.now() + TOO_LATE)
    assert compensations(cancelled)["refund.payment"] == "failed"


def test_the_deadline_of_an_earlier_time_of_asking_is_kept_and_ignored(atoll_bus, cancelled):
    tell(atoll_bus, "payment.refund_failed", cancelled, reason="provider_unavailable")
    ask_again(cancelled.id, BY_STAFF)
    expire = {"compensation": "refund.payment"}

    tell(atoll_bus, "expire.compensation", cancelled, ask=1, **expire)

    assert compensations(cancelled)["refund.payment"] == "asked"
    assert last(cancelled) == ("refund.overdue", "", True)
    assert "ask 1" in cancelled.history.last().reason
    tell(atoll_bus, "expire.compensation", cancelled, ask=2, **expire)
    assert compensations(cancelled)["refund.payment"] == "failed"


def test_settling_by_hand_keeps_who_and_how_and_asks_nobody(atoll_bus, cancelled):
    tell(atoll_bus, "payment.refund_failed", cancelled, reason="ledgers_disagree")
    before = commands(atoll_bus)

    settle_by_hand(cancelled.id, Compensation.REFUND, BY_STAFF, reason=" Paid back by bank transfer ")

    refund = cancelled.compensations.get(kind="refund.payment")
    assert (refund.state, refund.ended_by, refund.reason) == (
        "settled",
        "refund.settled",
        "Paid back by bank transfer",
    )
    entry = cancelled.history.last()
    assert (entry.actor, entry.undoing) == ("staff:stan", "refund.payment settled")
    assert entry.reason == "Paid back by bank transfer"
    assert commands(atoll_bus) == before


def test_an_answer_after_it_was_settled_is_kept_and_money_taken_then_needs_attention_again(
    atoll_bus, cancelled
):
    tell(atoll_bus, "payment.refund_failed", cancelled, reason="ledgers_disagree")
    settle_by_hand(cancelled.id, Compensation.REFUND, BY_STAFF, reason="bank transfer")
    before = commands(atoll_bus)

    tell(atoll_bus, "payment.refunded", cancelled)
    assert last(cancelled) == ("payment.refunded", "", True)
    assert compensations(cancelled)["refund.payment"] == "settled"

    tell(atoll_bus, "payment.completed", cancelled)
    assert compensations(cancelled)["refund.payment"] == "failed"
    assert commands(atoll_bus) == before


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201])
def test_settling_needs_a_reason(atoll_bus, cancelled, reason):
    tell(atoll_bus, "payment.refund_failed", cancelled, reason="ledgers_disagree")
    with pytest.raises(InvalidInput):
        settle_by_hand(cancelled.id, Compensation.REFUND, BY_STAFF, reason=reason)
    assert compensations(cancelled)["refund.payment"] == "failed"


@pytest.mark.parametrize("answer", [None, "payment.refunded"])
def test_only_what_failed_can_be_asked_again_or_settled(atoll_bus, cancelled, answer):
    if answer:
        tell(atoll_bus, answer, cancelled)
    before, history = compensations(cancelled), cancelled.history.count()
    with pytest.raises(Conflict):
        ask_again(cancelled.id, BY_STAFF)
    with pytest.raises(Conflict):
        settle_by_hand(cancelled.id, Compensation.REFUND, BY_STAFF, reason="because")
    with pytest.raises(NotFound):
        ask_again(uuid7(), BY_STAFF)
    assert (compensations(cancelled), cancelled.history.count()) == (before, history)

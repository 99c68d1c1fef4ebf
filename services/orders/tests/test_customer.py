import json
from datetime import UTC, datetime

import pytest

from atoll.api.models import IdempotencyRecord
from atoll.bus.models import Forgotten, Inbox
from atoll.bus.operations import personal_data
from atoll.errors import NotAllowed
from atoll.ids import uuid7
from services.orders.models import Order
from services.orders.tests.placing import LONG_AGO, placed
from services.orders.usecases.forget_customer import forget_customer
from services.orders.usecases.refresh_customer import refresh_customer

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ONE_O_CLOCK = datetime(2026, 6, 1, 13, tzinfo=UTC)


def shown(order) -> tuple[str, str]:
    order.refresh_from_db()
    return order.customer_name, order.customer_email


def test_a_changed_account_is_shown_on_all_of_its_orders_and_no_other(atoll_bus):
    user_id = uuid7()
    first, second, foreign = placed(user_id), placed(user_id), placed()

    atoll_bus.deliver(
        "user.updated",
        {"userId": str(user_id), "changes": {"name": "Countess Lovelace", "email": "countess@example.com"}},
    )

    assert shown(first) == shown(second) == ("Countess Lovelace", "countess@example.com")
    assert shown(foreign) == ("Ada Lovelace", "ada@example.com")


def test_an_older_update_that_arrives_late_does_not_win():
    order = placed()
    refresh_customer(order.user_id, {"name": "Newest"}, ONE_O_CLOCK)
    assert refresh_customer(order.user_id, {"name": "Older"}, NOON) == 0
    assert shown(order) == ("Newest", "ada@example.com")


def test_updates_of_different_fields_do_not_hide_each_other():
    order = placed()
    refresh_customer(order.user_id, {"name": "Newest"}, ONE_O_CLOCK)
    refresh_customer(order.user_id, {"email": "new@example.com"}, NOON)
    assert shown(order) == ("Newest", "new@example.com")


def test_changes_that_are_none_of_ours_and_changes_we_cannot_read_are_passed_over():
    order = placed()
    changes = {"roles": ["staff"], "name": None, "email": 7}
    assert refresh_customer(order.user_id, changes, NOON) == 0
    assert shown(order) == ("Ada Lovelace", "ada@example.com")


def test_a_name_longer_than_our_column_is_cut_to_fit():
    order = placed()
    refresh_customer(order.user_id, {"name": "x" * 300}, NOON)
    assert shown(order)[0] == "x" * 255


def test_what_was_placed_with_is_as_old_as_the_account_was():
    assert placed().customer_name_as_of == LONG_AGO


def test_a_deleted_account_cancels_its_open_orders_and_leaves_finished_ones_alone(atoll_bus):
    user_id = uuid7()
    pending, awaiting, confirmed, foreign = placed(user_id), placed(user_id), placed(user_id), placed()
    for order in (awaiting, confirmed):
        atoll_bus.deliver("stock.reserved", {"orderId": str(order.id)})
    atoll_bus.deliver("payment.completed", {"orderId": str(confirmed.id)})
    before = len(atoll_bus.sent())

    atoll_bus.deliver("user.deleted", {"userId": str(user_id)})

    for order in (pending, awaiting, confirmed, foreign):
        order.refresh_from_db()
    assert (pending.status, pending.reason) == ("cancelled", "user_deleted")
    assert (awaiting.status, awaiting.reason) == ("cancelled", "user_deleted")
    assert confirmed.status == "confirmed"
    assert foreign.status == "pending"
    assert [(m["command"], m["data"]["orderId"]) for m in atoll_bus.sent()[before:]] == [
        ("release.stock", str(pending.id)),
        ("release.stock", str(awaiting.id)),
        ("refund.payment", str(awaiting.id)),
    ]
    assert confirmed.history.filter(event="user.deleted").count() == 0


def test_a_deleted_account_is_forgotten_on_all_of_its_orders_open_and_finished(atoll_bus):
    user_id = uuid7()
    pending, confirmed, foreign = placed(user_id), placed(user_id), placed()
    atoll_bus.deliver("stock.reserved", {"orderId": str(confirmed.id)})
    atoll_bus.deliver("payment.completed", {"orderId": str(confirmed.id)})
    total, lines = confirmed.total, confirmed.lines.count()

    atoll_bus.deliver("user.deleted", {"userId": str(user_id)})

    for order in (pending, confirmed):
        assert shown(order) == ("Deleted customer", f"{user_id}@deleted.invalid")
    assert (confirmed.total, confirmed.user_id, confirmed.lines.count()) == (total, user_id, lines)
    assert shown(foreign) == ("Ada Lovelace", "ada@example.com")


def test_a_change_that_is_older_than_the_deletion_and_arrives_later_tells_nothing():
    order = placed()
    forget_customer(order.user_id, ONE_O_CLOCK)
    assert refresh_customer(order.user_id, {"name": "Ada", "email": "ada@example.com"}, NOON) == 0
    assert forget_customer(order.user_id, ONE_O_CLOCK) == 0
    assert shown(order)[0] == "Deleted customer"


def test_messages_and_kept_answers_about_a_deleted_account_are_forgotten_too(atoll_bus):
    user_id = uuid7()
    changes = {"name": "Countess Lovelace", "email": "countess@example.com"}
    atoll_bus.deliver("user.updated", {"userId": str(user_id), "changes": changes})
    IdempotencyRecord.objects.create(
        principal=str(user_id), method="POST", route="orders", key="k", fingerprint="f", status=201,
        body=b"countess@example.com", created_at=NOON,
    )  # fmt: skip

    atoll_bus.deliver("user.deleted", {"userId": str(user_id)})
    assert list(Forgotten.objects.values_list("subject", flat=True)) == [str(user_id)]
    personal_data.erase_due()

    assert IdempotencyRecord.objects.count() == 0
    told = [json.loads(body)["data"] for body in Inbox.objects.order_by("id").values_list("body", flat=True)]
    assert [fact["changes"] for fact in told if "changes" in fact] == [{}, {}]
    assert "countess" not in str(told).lower()


def test_nothing_is_placed_for_an_account_that_was_deleted_since_the_quote(atoll_bus):
    user_id = uuid7()
    atoll_bus.deliver("user.deleted", {"userId": str(user_id)})
    before = len(atoll_bus.sent())
    with pytest.raises(NotAllowed, match="closed or inactive"):
        placed(user_id)
    assert (Order.objects.count(), len(atoll_bus.sent())) == (0, before)

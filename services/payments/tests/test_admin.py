"""Staff in the admin: they see payments and ledgers, and can only ask for a refund."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.urls import reverse

from atoll.admin.tiles import tiles
from atoll.identity.roles import SUPPORT
from atoll.testing.rights import member
from services.payments import selectors
from services.payments.errors import InvalidPayment, NotRefundable, PaymentNotFound
from services.payments.models import Payment, SandboxCharge, SandboxRefund
from services.payments.provider import provider
from services.payments.usecases.refund_by_staff import refund_by_staff


@pytest.fixture
def staff(client, db):
    client.force_login(member(SUPPORT))
    return client


@pytest.fixture
def paid(atoll_bus) -> Payment:
    """A payment that went the real way, with its charge in the provider's books."""
    atoll_bus.deliver(
        "process.payment",
        {
            "orderId": str(uuid4()),
            "userId": str(uuid4()),
            "amount": Decimal("59.80"),
            "currency": "EUR",
            "paymentMethod": "card",
        },
        times=1,
    )
    return Payment.objects.get()


def ask_refund(staff, payment_id, reason: str = "broken on arrival", **more: str):
    path = reverse("admin:payments_payment_refund", args=[payment_id])
    return staff.post(path, {"_form_submitted": "on", "reason": reason, **more})


def test_every_page_of_the_admin_opens(staff, paid, atoll_bus):
    atoll_bus.deliver("refund.payment", {"orderId": str(paid.order_id), "reason": "x"})
    atoll_bus.deliver("refund.payment", {"orderId": str(uuid4()), "reason": "x"})
    pages = [
        reverse("admin:index"),
        reverse("admin:payments_payment_changelist"),
        reverse("admin:payments_payment_changelist") + f"?q={paid.order_id}&status__exact=refunded",
        reverse("admin:payments_payment_change", args=[paid.id]),
        reverse("admin:payments_sandboxcharge_changelist"),
        reverse("admin:payments_sandboxcharge_change", args=[SandboxCharge.objects.get().id]),
        reverse("admin:payments_sandboxrefund_changelist"),
    ]

    answers = {page: staff.get(page) for page in pages}

    assert {page: answer.status_code for page, answer in answers.items()} == dict.fromkeys(pages, 200)
    assert (
        "59.80\u00a0EUR captured, requests: 1, 59.80\u00a0EUR refunded" in answers[pages[3]].content.decode()
    )


def test_staff_refund_through_the_use_case_and_the_worker(staff, paid, atoll_bus):
    answer = ask_refund(staff, paid.id)

    assert answer.status_code == 302
    assert Payment.objects.get().status == "completed"
    assert SandboxRefund.objects.count() == 0

    atoll_bus.run_due()

    payment = Payment.objects.get()
    assert (payment.status, payment.reason) == ("refunded", "broken on arrival")
    assert SandboxRefund.objects.get().amount == Decimal("59.80")
    assert atoll_bus.published("payment.refunded")[0]["data"]["reason"] == "broken on arrival"


@pytest.mark.parametrize(("said", "told"), [({}, False), ({"return_goods": "on"}, True)])
def test_staff_say_whether_the_goods_are_back_and_every_announcement_tells(
    staff, paid, atoll_bus, said, told
):
    assert ask_refund(staff, paid.id, **said).status_code == 302
    atoll_bus.run_due()
    atoll_bus.deliver("refund.payment", {"orderId": str(paid.order_id), "reason": "asked once more"}, times=1)

    assert [event["data"]["returnGoods"] for event in atoll_bus.published("payment.refunded")] == [told, told]
    assert Payment.objects.get().return_goods is told


def test_asking_twice_refunds_once(staff, paid, atoll_bus):
    assert ask_refund(staff, paid.id).status_code == 302
    assert ask_refund(staff, paid.id).status_code == 403
    with pytest.raises(NotRefundable):
        refund_by_staff(paid.id, reason="again")
    atoll_bus.run_due()

    assert SandboxRefund.objects.count() == 1
    assert len(atoll_bus.published("payment.refunded")) == 1


def test_the_button_is_there_only_while_money_could_go_back(staff, paid, atoll_bus):
    page = reverse("admin:payments_payment_change", args=[paid.id])
    assert "Refund…" in staff.get(page).content.decode()

    ask_refund(staff, paid.id)
    assert "Refund…" not in staff.get(page).content.decode()


def test_without_a_reason_nothing_happens(staff, paid, atoll_bus):
    assert ask_refund(staff, paid.id, reason=" ").status_code == 200
    assert ask_refund(staff, paid.id, reason="\u200b").status_code == 200
    assert ask_refund(staff, "no-id").status_code == 403
    assert atoll_bus.run_due() == 0
    assert Payment.objects.get().refund_asked_at is None


@pytest.mark.parametrize("status", ["requested", "failed", "refused"])
def test_only_money_that_was_taken_can_be_refunded(make_payment, atoll_bus, status):
    payment = make_payment(status=status)

    with pytest.raises(NotRefundable):
        refund_by_staff(payment.id, reason="x")
    with pytest.raises(PaymentNotFound):
        refund_by_staff(uuid4(), reason="x")
    with pytest.raises(InvalidPayment):
        refund_by_staff(payment.id, reason="")

    assert atoll_bus.run_due() == 0
    assert Payment.objects.get().refund_asked_at is None


def test_rows_cannot_be_added_changed_or_deleted(staff, paid):
    charge = SandboxCharge.objects.get()
    for name, row in (("payment", paid), ("sandboxcharge", charge)):
        assert staff.get(reverse(f"admin:payments_{name}_add")).status_code == 403
        assert staff.post(reverse(f"admin:payments_{name}_delete", args=[row.pk])).status_code == 403
        change = reverse(f"admin:payments_{name}_change", args=[row.pk])
        assert staff.post(change, {"status": "refunded"}).status_code == 403
    assert Payment.objects.get().status == "completed"


def test_an_order_charged_under_two_keys_raises_the_alarm(paid):
    assert selectors.count_orders_charged_twice() == 0

    provider().charge("another key", minor_units=5980, currency="EUR", method="card", memo=str(paid.order_id))

    assert selectors.count_orders_charged_twice() == 1
    assert len(selectors.charges_of(paid.order_id)) == 2


def test_the_alarm_opens_the_charges_that_it_counts_and_no_others(staff, paid, atoll_bus):
    provider().charge("another key", minor_units=5980, currency="EUR", method="card", memo=str(paid.order_id))
    provider().charge("a key", minor_units=100, currency="EUR", method="card", memo="order-charged-once")
    [tile] = [tile for tile in tiles() if tile.title == "Orders charged twice"]
    assert tile.value == "1"
    page = staff.get(tile.url).content.decode()
    assert page.count(str(paid.order_id)) >= 2
    assert "order-charged-once" not in page

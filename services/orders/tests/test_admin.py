from datetime import timedelta

import pytest
from django.utils import timezone

from atoll import conf
from atoll.admin.tiles import tiles
from services.orders.models import Order, OrderLine, OrderTransition
from services.orders.tests.placing import placed

pytestmark = pytest.mark.django_db

LIST = "/admin/orders/order/"


def page(answer) -> str:
    assert answer.status_code == 200
    return answer.content.decode()


def select(*orders: Order, **more) -> dict:
    return {"action": "cancel_selected_orders", "_selected_action": [str(o.pk) for o in orders]} | more


def test_the_list_shows_who_ordered_what_for_how_much(staff):
    order = placed()
    shown = page(staff.get(LIST))
    for text in (str(order.id), "Ada Lovelace", "ada@example.com", "129.30\u00a0EUR", "Pending", "open"):
        assert text in shown


@pytest.mark.parametrize("words", ["ada@example.com", "Lovelace", "rope", "{id}", "{user_id}"])
def test_orders_are_found_by_customer_product_and_ids(staff, words):
    order = placed()
    Order.objects.filter(pk=placed().pk).update(customer_name="Bob", customer_email="bob@example.com")
    shown = page(staff.get(LIST, {"q": words.format(id=order.id, user_id=order.user_id)}))
    assert str(order.id) in shown


def test_a_search_that_fits_nothing_shows_nothing(staff):
    order = placed()
    assert str(order.id) not in page(staff.get(LIST, {"q": "nobody at all"}))


def test_orders_are_filtered_by_status_and_time(staff, atoll_bus):
    pending, awaiting = placed(), placed()
    atoll_bus.deliver("stock.reserved", {"orderId": str(awaiting.id)})
    shown = page(staff.get(LIST, {"status__exact": "awaiting_payment"}))
    assert str(awaiting.id) in shown
    assert str(pending.id) not in shown
    tomorrow = {"created_at_from_0": "2099-01-01", "created_at_from_1": "00:00:00"}
    assert str(pending.id) not in page(staff.get(LIST, tomorrow))


@pytest.mark.parametrize(("late_s", "progress"), [(-60, ["open"]), (31, ["open", "overdue"])])
def test_the_figures_of_the_overview_lead_to_the_orders_they_count(staff, late_s, progress):
    order = placed()
    Order.objects.filter(pk=order.pk).update(deadline_at=timezone.now() - timedelta(seconds=late_s))
    for named in ("open", "overdue", "final"):
        assert (str(order.id) in page(staff.get(LIST, {"progress": named}))) is (named in progress)
    counted = {tile.title: (tile.value, tile.url) for tile in tiles() if "rders" in tile.title}
    assert counted == {
        "Open orders": ("1", f"{LIST}?progress=open"),
        "Orders past their deadline": (str(progress.count("overdue")), f"{LIST}?progress=overdue"),
        "Orders with a failed compensation": ("0", f"{LIST}?progress=failed"),
    }


def test_an_order_is_shown_with_its_lines_and_history_and_no_field_to_edit(staff, atoll_bus):
    order = placed()
    atoll_bus.deliver("stock.reserved", {"orderId": str(order.id)}, times=1, service_id="product-service")
    shown = page(staff.get(f"{LIST}{order.id}/change/"))
    for text in ("Trail lamp", "Climbing rope", "Stock reserved", "product-service", "Awaiting payment"):
        assert text in shown
    message_id, correlation_id = order.history.values_list("message_id", "correlation_id").last()
    where = "/admin/atoll_bus/where/"
    assert f'href="{where}?q={message_id}"' in shown
    assert f'href="{where}?q={correlation_id}"' in shown
    for field in ("status", "total", "reason", "lines-0-quantity", "history-0-to_status"):
        assert f'name="{field}"' not in shown


def test_nothing_about_an_order_can_be_added_changed_or_deleted_by_hand(staff):
    order = placed()
    before = Order.objects.values().get()
    forged = {"status": "confirmed", "total": "0.01", "_save": "Save"}
    assert staff.post(f"{LIST}{order.id}/change/", forged).status_code == 403
    assert staff.get(f"{LIST}add/").status_code == 403
    assert staff.post(f"{LIST}{order.id}/delete/", {"post": "yes"}).status_code == 403
    assert Order.objects.values().get() == before
    assert (OrderLine.objects.count(), OrderTransition.objects.count()) == (2, 1)


def test_cancelling_asks_for_a_reason_first(staff):
    order = placed()
    shown = page(staff.post(LIST, select(order)))
    assert 'name="reason"' in shown
    assert "This field is required" in page(staff.post(LIST, select(order, reason=" ")))
    assert "one visible character" in page(staff.post(LIST, select(order, reason="\u2060")))
    order.refresh_from_db()
    assert order.status == "pending"


def test_staff_cancel_selected_orders_with_a_reason(staff, atoll_bus):
    first, second, other = placed(), placed(), placed()

    answer = staff.post(LIST, select(first, second, reason="Warehouse flooded"), follow=True)

    assert "Warehouse flooded" in page(answer)
    for order in (first, second):
        order.refresh_from_db()
        assert (order.status, order.reason) == ("cancelled", "Warehouse flooded")
        assert order.history.last().actor == "staff:stan"
    other.refresh_from_db()
    assert other.status == "pending"
    assert [m["command"] for m in atoll_bus.sent()[3:]] == ["release.stock", "release.stock"]


def test_one_order_is_cancelled_from_its_own_page(staff):
    order = placed()
    address = f"{LIST}{order.id}/cancel/"
    assert address.rstrip("/") in page(staff.get(f"{LIST}{order.id}/change/"))
    assert 'name="reason"' in page(staff.get(address))

    staff.post(address, {"reason": "Customer called"})

    order.refresh_from_db()
    assert (order.status, order.reason) == ("cancelled", "Customer called")
    assert address.rstrip("/") not in page(staff.get(f"{LIST}{order.id}/change/"))


def test_a_confirmed_order_stays_and_the_page_says_why(staff, atoll_bus):
    order = placed()
    atoll_bus.deliver("stock.reserved", {"orderId": str(order.id)})
    atoll_bus.deliver("payment.completed", {"orderId": str(order.id)})
    answer = staff.post(LIST, select(order, reason="too late"), follow=True)
    assert "can no longer be cancelled" in page(answer)
    order.refresh_from_db()
    assert order.status == "confirmed"


def test_the_admin_is_closed_to_whoever_is_not_signed_in(client):
    order = placed()
    for address in (LIST, f"{LIST}{order.id}/change/", f"{LIST}{order.id}/cancel/"):
        answer = client.get(address)
        assert answer.status_code == 302
        assert "/admin/login/" in answer["Location"]
    client.post(f"{LIST}{order.id}/cancel/", {"reason": "by nobody"})
    order.refresh_from_db()
    assert order.status == "pending"


def test_the_overview_counts_open_and_overdue_orders(staff):
    placed()
    late = placed()
    Order.objects.filter(pk=late.pk).update(
        deadline_at=late.created_at - (late.deadline_at - late.created_at)
    )
    figures = {tile.title: (tile.value, tile.is_alarming) for tile in tiles()}
    assert figures["Open orders"] == ("2", False)
    assert figures["Orders past their deadline"] == ("1", True)
    assert "Orders past their deadline" in page(staff.get("/admin/"))


def test_an_order_shows_its_states_in_words_and_leads_to_everything_about_it(staff, atoll_bus, monkeypatch):
    for name in ("users", "products", "payments", "gateway"):
        monkeypatch.setenv(f"{name.upper()}_ADMIN_URL", f"https://{name}.admin.example/admin/")
    order = placed()
    atoll_bus.deliver("stock.reserved", {"orderId": str(order.id)})
    atoll_bus.deliver(
        "payment.failed", {"orderId": str(order.id), "reason": "no money"}, correlation_id="one-journey"
    )
    shown = page(staff.get(f"{LIST}{order.id}/change/"))
    assert "Cancelled" in shown
    for python in ("&#x27;cancelled&#x27;", "Undoing.", "CompensationState.", "(&#x27;"):
        assert python not in shown
    line = order.lines.first()
    for address in (
        f"https://users.admin.example/admin/users/user/{order.user_id}/change/",
        f"https://products.admin.example/admin/products/product/{line.product_id}/change/",
        f"https://products.admin.example/admin/products/stockreservation/?q={order.id}",
        f"https://payments.admin.example/admin/payments/payment/?q={order.id}",
        "https://gateway.admin.example/admin/gateway/requestlog/?q=one-journey",
        "/admin/atoll_bus/where/?q=one-journey",
    ):
        assert f'href="{address}"' in shown, address


def test_an_order_without_known_admins_shows_the_ids_alone(staff, monkeypatch):
    for name in conf.projects():
        monkeypatch.delenv(conf.own_name("PUBLIC_URL", name))
    order = placed()
    shown = page(staff.get(f"{LIST}{order.id}/change/"))
    assert str(order.user_id) in shown
    assert "users/user" not in shown

"""Staff in the admin: they see everything and break nothing."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.urls import reverse

from atoll.identity.roles import CATALOGUE
from atoll.testing.rights import member
from services.products.models import Product, StockMovement, StockReservation
from services.products.usecases.reserve_stock import reserve_stock

PRODUCTS = "admin:products_product_changelist"
FORM = {
    "sku": "CUP-1", "name": "Cup", "description": "", "category": "kitchen", "price": "7.50",
    "currency": "EUR", "is_active": "on",
}  # fmt: skip


@pytest.fixture
def staff(client, db):
    client.force_login(member(CATALOGUE))
    return client


@pytest.mark.parametrize(
    "query", ["", "?q=cup", "?availability=low", "?availability=out", "?price_from=5&price_to=9"]
)
def test_the_list_of_products_opens_with_search_and_filters(staff, make_product, query):
    make_product(name="Cup", price=Decimal("7.50"), stock_on_hand=5)

    answer = staff.get(reverse(PRODUCTS) + query)

    assert answer.status_code == 200
    assert ("Cup" in answer.content.decode()) is (query != "?availability=out")


def test_every_page_of_the_admin_opens(staff, make_product):
    product, order_id = make_product(), uuid4()
    reserve_stock(order_id, [(product.id, 1)])
    StockMovement.objects.create(product=product, amount=5, reason="delivery", actor="staff:stan")
    pages = [
        reverse("admin:index"),
        reverse("admin:products_product_add"),
        reverse("admin:products_product_change", args=[product.id]),
        reverse("admin:products_stockreservation_changelist") + f"?q={order_id}",
        reverse("admin:products_stockreservation_change", args=[order_id]),
        reverse("admin:products_stockmovement_changelist") + "?q=delivery",
    ]

    answers = {page: staff.get(page) for page in pages}

    assert {page: answer.status_code for page, answer in answers.items()} == dict.fromkeys(pages, 200)
    for page in pages[3:5]:
        assert str(order_id) in answers[page].content.decode()


def test_adding_goes_through_the_use_case(staff, atoll_bus):
    answer = staff.post(reverse("admin:products_product_add"), FORM | {"stock_on_hand": 4})

    assert answer.status_code == 302, answer.context["adminform"].form.errors
    product = Product.objects.get()
    assert (product.sku, product.stock_on_hand) == ("CUP-1", 4)
    assert StockMovement.objects.get().actor == "staff:stan"
    assert atoll_bus.published("product.created")[0]["data"]["productId"] == str(product.id)


def test_changing_announces_the_change_and_cannot_touch_stock(staff, make_product, atoll_bus):
    product = make_product(sku="CUP-1", name="Cup", category="kitchen", price=Decimal("7.50"))

    answer = staff.post(
        reverse("admin:products_product_change", args=[product.id]),
        FORM | {"name": "Mug", "stock_on_hand": 999, "stock_reserved": 7},
    )

    assert answer.status_code == 302
    product.refresh_from_db()
    assert (product.name, product.stock_on_hand, product.stock_reserved) == ("Mug", 10, 0)
    assert [event["data"]["changes"] for event in atoll_bus.published()] == [{"name": "Mug"}]


@pytest.mark.parametrize(
    "bad", [{"price": "-1"}, {"price": "NaN"}, {"sku": "cup 1"}, {"currency": "eu"}, {"name": ""}]
)
def test_a_bad_form_is_shown_again_and_changes_nothing(staff, make_product, atoll_bus, bad):
    product = make_product(name="Pot")

    answer = staff.post(reverse("admin:products_product_change", args=[product.id]), FORM | bad)

    assert answer.status_code == 200
    assert list(answer.context["adminform"].form.errors) == list(bad)
    assert Product.objects.get().name == "Pot"
    assert atoll_bus.published() == []


def receive(staff, product_id, **form):
    path = reverse("admin:products_product_receive_stock", args=[product_id])
    return staff.post(path, {"_form_submitted": "on", **form})


def test_stock_is_received_with_amount_and_reason(staff, make_product):
    product = make_product(stock_on_hand=10)

    answer = receive(staff, product.id, amount=5, reason="delivery 4711")

    assert answer.status_code == 302
    assert Product.objects.get().stock_on_hand == 15
    assert list(StockMovement.objects.values_list("amount", "reason", "actor")) == [
        (5, "delivery 4711", "staff:stan")
    ]


@pytest.mark.parametrize(
    "form",
    [
        {"amount": -7, "reason": "count"},
        {"amount": 5, "reason": ""},
        {"amount": 5, "reason": "\u200b"},
        {"amount": "x"},
    ],
)
def test_stock_that_is_promised_to_orders_cannot_be_taken_away(staff, make_product, form):
    product = make_product(stock_on_hand=10)
    reserve_stock(uuid4(), [(product.id, 4)])

    receive(staff, product.id, **form)

    product.refresh_from_db()
    assert (product.stock_on_hand, product.stock_reserved) == (10, 4)
    assert StockMovement.objects.count() == 0


def test_receiving_stock_of_an_unknown_product_leads_back(staff, db):
    assert receive(staff, uuid4(), amount=5, reason="x").status_code == 302
    assert receive(staff, "no-id", amount=5, reason="x").status_code == 302


def test_taking_out_of_the_catalogue_asks_with_the_pieces_that_orders_hold(staff, make_product):
    held, free = make_product(stock_on_hand=10), make_product()
    reserve_stock(uuid4(), [(held.id, 4)])
    chosen = {"_selected_action": [str(held.id), str(free.id)], "action": "delete_selected_products"}
    asked = staff.post(reverse(PRODUCTS), chosen).content.decode()

    assert "Pieces that unpaid orders hold: 4, of products: 1. These orders go on." in asked
    assert Product.objects.filter(is_active=True).count() == 2


def test_products_leave_and_come_back_by_action_and_are_never_deleted(staff, make_product, atoll_bus):
    product = make_product()
    chosen = {"_selected_action": [str(product.id)]}

    staff.post(
        reverse(PRODUCTS),
        chosen | {"action": "delete_selected_products", "confirmed": "delete_selected_products"},
    )
    assert Product.objects.get().is_active is False
    staff.post(reverse(PRODUCTS), chosen | {"action": "bring_back_selected_products"})
    assert Product.objects.get().is_active is True
    staff.post(reverse(PRODUCTS), chosen | {"action": "delete_selected", "post": "yes"})
    assert staff.post(f"/admin/products/product/{product.id}/delete/", {"post": "yes"}).status_code == 403

    assert Product.objects.count() == 1
    assert [event["eventType"] for event in atoll_bus.published()] == ["product.deleted", "product.updated"]


def test_reservations_and_movements_are_for_reading(staff, make_product):
    product, order_id = make_product(), uuid4()
    reserve_stock(order_id, [(product.id, 1)])
    page = reverse("admin:products_stockreservation_change", args=[order_id])

    assert staff.post(page, {"state": "released"}).status_code == 403
    assert staff.get(reverse("admin:products_stockreservation_add")).status_code == 403
    assert staff.get(reverse("admin:products_stockmovement_add")).status_code == 403

    assert StockReservation.objects.get().state == "held"


def test_nobody_else_gets_in(client, db):
    assert client.get(reverse(PRODUCTS)).status_code == 302

"""The use cases of staff: create, change and delete products, receive stock."""

from decimal import Decimal
from functools import partial
from uuid import uuid4

import pytest

from atoll.errors import Misuse
from atoll.testing.races import at_once
from services.products.errors import InvalidProduct, ProductNotFound, SkuTaken, StockOutOfBounds
from services.products.models import Product, StockMovement
from services.products.usecases.create_product import create_product
from services.products.usecases.delete_product import delete_product
from services.products.usecases.receive_stock import receive_stock
from services.products.usecases.reserve_stock import reserve_stock
from services.products.usecases.update_product import update_product

CUP = {"sku": "CUP-1", "name": "Cup", "category": "kitchen", "price": Decimal("7.50"), "actor": "user:7"}


def test_a_new_product_is_stored_booked_and_announced(db, atoll_bus):
    product = create_product(**CUP, stock_on_hand=12)

    (event,) = atoll_bus.published()
    assert event["eventType"] == "product.created"
    assert event["data"]["productId"] == str(product.id)
    assert event["data"]["changes"] == {
        "sku": "CUP-1", "name": "Cup", "description": "", "category": "kitchen", "price": 7.5,
        "currency": "EUR", "isActive": True, "stockOnHand": 12,
    }  # fmt: skip
    (movement,) = StockMovement.objects.filter(product=product)
    assert (movement.amount, movement.reason, movement.actor) == (12, "initial stock", "user:7")
    assert product.id.version == 7


def test_a_taken_sku_is_a_conflict_and_changes_nothing(db, atoll_bus):
    create_product(**CUP)

    with pytest.raises(SkuTaken):
        create_product(**CUP | {"name": "Other cup"}, stock_on_hand=3)

    assert [product.name for product in Product.objects.all()] == ["Cup"]
    assert StockMovement.objects.count() == 0
    assert len(atoll_bus.published()) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sku", "cup 1"), ("sku", "CUP-1\n"), ("sku", ""), ("name", ""), ("name", "x" * 201),
        ("category", "Kitchen"), ("price", Decimal("0.00")), ("price", Decimal("-1.00")),
        ("price", Decimal("1.005")), ("price", Decimal("100000000.00")), ("currency", "euro"),
        ("stock_on_hand", -1), ("stock_on_hand", 1_000_000_001),
    ],
)  # fmt: skip
def test_an_invalid_product_is_refused_by_field(db, atoll_bus, field, value):
    with pytest.raises(InvalidProduct) as refused:
        create_product(**CUP | {field: value})

    assert list(refused.value.details) == [{"stock_on_hand": "stockOnHand"}.get(field, field)]
    assert Product.objects.count() == 0
    assert atoll_bus.published() == []


def test_an_update_announces_only_what_really_changed(make_product, atoll_bus):
    product = make_product(name="Cup", price=Decimal("7.50"))

    update_product(product.id, {"name": "Cup", "price": Decimal("8.00"), "is_active": True})

    product.refresh_from_db()
    assert (product.name, product.price) == ("Cup", Decimal("8.00"))
    (event,) = atoll_bus.published()
    assert event["eventType"] == "product.updated"
    assert event["data"]["changes"] == {"price": 8.0}


def test_an_update_that_changes_nothing_is_silent(make_product, atoll_bus):
    product = make_product(name="Cup")

    update_product(product.id, {"name": "Cup"})

    assert Product.objects.get().updated_at == product.updated_at
    assert atoll_bus.published() == []


def test_a_bad_update_changes_nothing(make_product, atoll_bus):
    product, other = make_product(name="Cup"), make_product()

    with pytest.raises(InvalidProduct):
        update_product(product.id, {"name": "Mug", "price": Decimal("-1.00")})
    with pytest.raises(SkuTaken):
        update_product(product.id, {"name": "Mug", "sku": other.sku})
    with pytest.raises(ProductNotFound):
        update_product(uuid4(), {"name": "Mug"})

    product.refresh_from_db()
    assert (product.name, product.sku) == ("Cup", "TST-0001")
    assert atoll_bus.published() == []


def test_stock_cannot_be_set_by_an_update(make_product):
    product = make_product(stock_on_hand=10)

    with pytest.raises(Misuse):
        update_product(product.id, {"stock_on_hand": 99})

    assert Product.objects.get().stock_on_hand == 10


def test_a_product_is_deleted_once_and_its_row_stays(make_product, atoll_bus):
    product = make_product()

    delete_product(product.id)
    delete_product(product.id)

    assert Product.objects.get().is_active is False
    (event,) = atoll_bus.published()
    assert event["eventType"] == "product.deleted"
    assert event["data"]["productId"] == str(product.id)
    assert event["data"]["changes"] == {"isActive": False}


def test_a_deleted_product_can_be_brought_back(make_product, atoll_bus):
    product = make_product(is_active=False)

    update_product(product.id, {"is_active": True})

    assert Product.objects.get().is_active is True
    assert atoll_bus.published("product.updated")[0]["data"]["changes"] == {"isActive": True}


def test_received_stock_is_booked_with_its_reason(make_product, atoll_bus):
    product = make_product(stock_on_hand=10)

    receive_stock(product.id, amount=5, reason=" delivery 4711 ", actor="user:7")
    receive_stock(product.id, amount=-2, reason="broken", actor="user:7")

    assert Product.objects.get().stock_on_hand == 13
    assert list(StockMovement.objects.values_list("amount", "reason")) == [
        (-2, "broken"),
        (5, "delivery 4711"),
    ]
    assert [e["data"]["changes"] for e in atoll_bus.published("product.updated")] == [
        {"stockOnHand": 15}, {"stockOnHand": 13},
    ]  # fmt: skip


@pytest.mark.parametrize("amount", [-7, -11, 1_000_000_000])
def test_stock_stays_between_what_is_promised_and_what_fits(make_product, atoll_bus, amount):
    product = make_product(stock_on_hand=10)
    reserve_stock(uuid4(), [(product.id, 4)])

    with pytest.raises(StockOutOfBounds):
        receive_stock(product.id, amount=amount, reason="count", actor="user:7")

    assert Product.objects.get().stock_on_hand == 10
    assert StockMovement.objects.count() == 0
    assert atoll_bus.published("product.updated") == []


@pytest.mark.parametrize(("amount", "reason"), [(0, "nothing"), (1, ""), (1, "  "), (1, "x" * 201)])
def test_stock_is_not_received_for_nothing_or_for_no_reason(make_product, amount, reason):
    product = make_product(stock_on_hand=10)

    with pytest.raises(InvalidProduct):
        receive_stock(product.id, amount=amount, reason=reason, actor="user:7")

    assert Product.objects.get().stock_on_hand == 10


@pytest.mark.django_db(transaction=True)
def test_stock_received_and_reserved_at_once_adds_up(make_product):
    product = make_product(stock_on_hand=10)
    received = [partial(receive_stock, product.id, amount=1, reason="in", actor="a") for _ in range(10)]
    reserved = [partial(reserve_stock, uuid4(), [(product.id, 1)]) for _ in range(10)]

    outcomes = at_once([*received, *reserved])

    assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []
    product.refresh_from_db()
    assert (product.stock_on_hand, product.stock_reserved) == (20, 10)

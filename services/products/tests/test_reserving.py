"""reserve, release and commit: all or nothing, once, in any order."""

from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, transaction

from atoll.errors import InvalidInput
from services.products.errors import ReservationNotHeld
from services.products.models import Product, ReservedItem, StockReservation
from services.products.usecases.commit_stock import commit_stock
from services.products.usecases.release_stock import release_stock
from services.products.usecases.reserve_stock import reserve_stock


def stock(product: Product) -> tuple[int, int]:
    product.refresh_from_db(fields=["stock_on_hand", "stock_reserved"])
    return product.stock_on_hand, product.stock_reserved


def state(order_id: UUID) -> str:
    return StockReservation.objects.get(order_id=order_id).state


def test_everything_that_is_there_is_held_and_announced(make_product, atoll_bus):
    cup, pot = make_product(stock_on_hand=5), make_product(stock_on_hand=1)
    order_id = uuid4()

    reserve_stock(order_id, [(cup.id, 3), (pot.id, 1)])

    assert stock(cup) == (5, 3)
    assert stock(pot) == (1, 1)
    assert state(order_id) == "held"
    assert sorted(ReservedItem.objects.values_list("product_id", "quantity")) == sorted(
        [(cup.id, 3), (pot.id, 1)]
    )
    (event,) = atoll_bus.published()
    assert event["eventType"] == "stock.reserved"
    assert (event["data"]["orderId"], event["data"]["shortages"]) == (str(order_id), [])


def test_one_missing_piece_rejects_the_whole_order_and_names_every_shortage(make_product, atoll_bus):
    cup, pot, off = make_product(), make_product(stock_on_hand=1), make_product(is_active=False)
    unknown, order_id = uuid4(), uuid4()

    reserve_stock(order_id, [(cup.id, 1), (pot.id, 2), (off.id, 1), (unknown, 4)])

    assert [stock(product) for product in (cup, pot, off)] == [(10, 0), (1, 0), (10, 0)]
    assert ReservedItem.objects.count() == 0
    (event,) = atoll_bus.published()
    assert event["eventType"] == "stock.rejected"
    assert event["data"]["shortages"] == [
        {"productId": str(pot.id), "requested": 2, "available": 1},
        {"productId": str(off.id), "requested": 1, "available": 0},
        {"productId": str(unknown), "requested": 4, "available": 0},
    ]


def test_what_others_hold_is_not_available(make_product):
    cup = make_product(stock_on_hand=5)
    reserve_stock(uuid4(), [(cup.id, 4)])
    late = uuid4()

    reserve_stock(late, [(cup.id, 2)])

    assert StockReservation.objects.get(order_id=late).shortages == [
        {"productId": str(cup.id), "requested": 2, "available": 1}
    ]
    assert stock(cup) == (5, 4)


def test_a_product_named_twice_is_summed(make_product):
    cup = make_product(stock_on_hand=5)

    reserve_stock(uuid4(), [(cup.id, 2), (cup.id, 2)])

    assert stock(cup) == (5, 4)


def test_an_order_is_decided_once_and_answered_alike(make_product, atoll_bus):
    cup = make_product(stock_on_hand=5)
    held, rejected = uuid4(), uuid4()
    reserve_stock(held, [(cup.id, 3)])
    reserve_stock(rejected, [(cup.id, 3)])

    reserve_stock(held, [(cup.id, 1)])
    release_stock(held)
    reserve_stock(rejected, [(cup.id, 3)])

    assert stock(cup) == (5, 0)
    assert [event["eventType"] for event in atoll_bus.published()] == [
        "stock.reserved", "stock.rejected", "stock.reserved", "stock.released", "stock.rejected",
    ]  # fmt: skip
    first, second = (e["data"]["shortages"] for e in atoll_bus.published("stock.rejected"))
    assert first == second == [{"productId": str(cup.id), "requested": 3, "available": 2}]


@pytest.mark.parametrize("quantity", [0, -1])
def test_a_quantity_below_one_is_refused_and_nothing_is_held(make_product, atoll_bus, quantity):
    cup = make_product()

    with pytest.raises(InvalidInput):
        reserve_stock(uuid4(), [(cup.id, 1), (cup.id, quantity)])

    assert stock(cup) == (10, 0)
    assert StockReservation.objects.count() == 0
    assert atoll_bus.published() == []


def test_an_order_without_items_is_refused(db):
    with pytest.raises(InvalidInput):
        reserve_stock(uuid4(), [])
    assert StockReservation.objects.count() == 0


def test_a_release_gives_back_once(make_product):
    cup = make_product()
    order_id = uuid4()
    reserve_stock(order_id, [(cup.id, 4)])

    release_stock(order_id)
    release_stock(order_id)

    assert stock(cup) == (10, 0)
    assert state(order_id) == "released"


def test_a_release_before_the_reserve_makes_the_reserve_rejected(make_product, atoll_bus):
    cup = make_product()
    order_id = uuid4()

    release_stock(order_id)
    reserve_stock(order_id, [(cup.id, 1)])

    assert stock(cup) == (10, 0)
    assert state(order_id) == "released"
    released, rejected = atoll_bus.published()
    assert (released["eventType"], rejected["eventType"]) == ("stock.released", "stock.rejected")
    assert rejected["data"]["shortages"] == []


def test_a_release_of_a_rejected_order_changes_nothing(make_product):
    cup = make_product(stock_on_hand=1)
    order_id = uuid4()
    reserve_stock(order_id, [(cup.id, 2)])

    release_stock(order_id)

    assert stock(cup) == (1, 0)
    assert state(order_id) == "rejected"


def test_a_commit_sells_once(make_product, atoll_bus):
    cup = make_product()
    order_id = uuid4()
    reserve_stock(order_id, [(cup.id, 4)])

    commit_stock(order_id)
    commit_stock(order_id)

    assert stock(cup) == (6, 0)
    assert state(order_id) == "committed"


def test_what_was_sold_cannot_be_released(make_product, atoll_bus):
    cup = make_product()
    order_id = uuid4()
    reserve_stock(order_id, [(cup.id, 4)])
    commit_stock(order_id)

    release_stock(order_id)

    assert [event["eventType"] for event in atoll_bus.published()] == [
        "stock.reserved",
        "stock.release_failed",
    ]
    assert stock(cup) == (6, 0)
    assert state(order_id) == "committed"


def test_a_sold_order_asked_for_again_is_still_reserved(make_product, atoll_bus):
    cup = make_product()
    order_id = uuid4()
    reserve_stock(order_id, [(cup.id, 4)])
    commit_stock(order_id)

    reserve_stock(order_id, [(cup.id, 4)])

    assert stock(cup) == (6, 0)
    assert len(atoll_bus.published("stock.reserved")) == 2


@pytest.mark.parametrize("before", ["nothing", "rejected", "released"])
def test_only_held_stock_can_be_sold(make_product, before):
    cup = make_product()
    order_id = uuid4()
    if before == "rejected":
        reserve_stock(order_id, [(cup.id, 11)])
    if before == "released":
        reserve_stock(order_id, [(cup.id, 1)])
        release_stock(order_id)

    with pytest.raises(ReservationNotHeld):
        commit_stock(order_id)

    assert stock(cup) == (10, 0)


def test_a_product_that_left_the_catalogue_can_still_be_sold_to_who_holds_it(make_product):
    cup = make_product()
    order_id = uuid4()
    reserve_stock(order_id, [(cup.id, 4)])
    Product.objects.update(is_active=False)

    commit_stock(order_id)

    assert stock(cup) == (6, 0)


@pytest.mark.parametrize(
    "values",
    [
        {"stock_reserved": -1},
        {"stock_on_hand": -1},
        {"stock_on_hand": 3, "stock_reserved": 4},
        {"stock_on_hand": 1_000_000_001},
        {"price": 0},
        {"sku": "small letters"},
        {"currency": "eur"},
        {"category": ""},
        {"name": ""},
    ],
)
def test_the_database_itself_refuses_what_must_never_be(make_product, values):
    cup = make_product()

    with pytest.raises(IntegrityError), transaction.atomic():
        Product.objects.filter(id=cup.id).update(**values)

    assert stock(cup) == (10, 0)

"""Goods of a refunded order that came back: sold pieces are in the stock again, once."""

from uuid import UUID, uuid4

import pytest

from services.products.models import MAX_STOCK, Product, StockReservation
from services.products.usecases.commit_stock import commit_stock
from services.products.usecases.release_stock import release_stock
from services.products.usecases.reserve_stock import reserve_stock


def stock(product: Product) -> tuple[int, int]:
    product.refresh_from_db(fields=["stock_on_hand", "stock_reserved"])
    return product.stock_on_hand, product.stock_reserved


def state(order_id: UUID) -> str:
    return StockReservation.objects.get(order_id=order_id).state


def returned(bus, order_id: UUID) -> list[tuple[str, str | None]]:
    """Deliver return.stock. Returns the announced events."""
    before = len(bus.published())
    bus.deliver("return.stock", {"orderId": str(order_id), "items": []}, times=1)
    return [(event["eventType"], event["data"].get("reason")) for event in bus.published()[before:]]


def test_what_was_sold_is_on_hand_again_once(make_product, atoll_bus):
    cup, pot, order_id = make_product(), make_product(), uuid4()
    reserve_stock(order_id, [(cup.id, 3), (pot.id, 1)])
    commit_stock(order_id)
    assert [stock(cup), stock(pot)] == [(7, 0), (9, 0)]

    assert returned(atoll_bus, order_id) == [("stock.returned", None)]

    assert [stock(cup), stock(pot)] == [(10, 0), (10, 0)]
    assert state(order_id) == "returned"
    # Asked again, it only answers again.
    assert returned(atoll_bus, order_id) == [("stock.returned", None)]
    assert stock(cup) == (10, 0)


def test_a_return_that_overtakes_the_sale_frees_what_is_held_and_the_late_sale_takes_nothing(
    make_product, atoll_bus
):
    cup, order_id = make_product(), uuid4()
    reserve_stock(order_id, [(cup.id, 3)])

    assert returned(atoll_bus, order_id) == [("stock.returned", None)]
    (late, _) = atoll_bus.deliver("commit.stock", {"orderId": str(order_id), "items": []})

    assert late.status == "done"
    assert stock(cup) == (10, 0)
    assert state(order_id) == "returned"


@pytest.mark.parametrize("before", ["nothing", "rejected", "released"])
def test_an_order_that_bought_nothing_has_nothing_to_return(make_product, atoll_bus, before):
    cup, order_id = make_product(), uuid4()
    if before != "nothing":
        reserve_stock(order_id, [(cup.id, 3 if before == "released" else 11)])
    if before == "released":
        release_stock(order_id)

    assert returned(atoll_bus, order_id) == [("stock.return_failed", "not_sold")]

    assert stock(cup) == (10, 0)
    assert StockReservation.objects.count() == (0 if before == "nothing" else 1)


def test_goods_that_the_stock_has_no_room_for_stay_sold(make_product, atoll_bus):
    cup, pot, order_id = make_product(), make_product(), uuid4()
    reserve_stock(order_id, [(cup.id, 1), (pot.id, 1)])
    commit_stock(order_id)
    Product.objects.filter(id=pot.id).update(stock_on_hand=MAX_STOCK)

    assert returned(atoll_bus, order_id) == [("stock.return_failed", "stock_out_of_bounds")]

    assert [stock(cup), stock(pot)] == [(9, 0), (MAX_STOCK, 0)]
    assert state(order_id) == "committed"
    Product.objects.filter(id=pot.id).update(stock_on_hand=9)
    assert returned(atoll_bus, order_id) == [("stock.returned", None)]
    assert [stock(cup), stock(pot)] == [(10, 0), (10, 0)]


def test_an_order_whose_goods_came_back_neither_reserves_nor_releases_again(make_product, atoll_bus):
    cup, order_id = make_product(), uuid4()
    reserve_stock(order_id, [(cup.id, 3)])
    commit_stock(order_id)
    returned(atoll_bus, order_id)

    reserve_stock(order_id, [(cup.id, 3)])
    release_stock(order_id)

    assert stock(cup) == (10, 0)
    assert [event["eventType"] for event in atoll_bus.published()[-2:]] == [
        "stock.rejected",
        "stock.released",
    ]
    assert state(order_id) == "returned"

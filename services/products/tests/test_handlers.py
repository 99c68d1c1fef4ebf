"""The three commands as they arrive: twice each, in any order, and malformed."""

import json
from uuid import uuid4

from atoll.bus.models import Outbox
from services.products.models import StockReservation


def stock(product):
    product.refresh_from_db()
    return product.stock_on_hand, product.stock_reserved


def line(product, quantity):
    return {"productId": str(product.id), "quantity": quantity}


def test_an_order_s_whole_course_through_commands_that_all_arrive_twice(make_product, atoll_bus):
    cup = make_product()
    order = {"orderId": str(uuid4()), "items": [line(cup, 3)]}

    reserved = atoll_bus.deliver("reserve.stock", order)
    assert stock(cup) == (10, 3)
    committed = atoll_bus.deliver("commit.stock", order)
    assert stock(cup) == (7, 0)

    assert {row.status for row in [*reserved, *committed]} == {"done"}
    assert {event["data"]["orderId"] for event in atoll_bus.published("stock.reserved")} == {order["orderId"]}


def test_a_release_that_overtakes_its_reserve(make_product, atoll_bus):
    cup = make_product()
    order = {"orderId": str(uuid4()), "items": [line(cup, 3)]}

    atoll_bus.deliver("release.stock", order)
    atoll_bus.deliver("reserve.stock", order)

    assert stock(cup) == (10, 0)
    assert atoll_bus.published("stock.reserved") == []
    assert atoll_bus.published("stock.rejected")[0]["data"]["orderId"] == order["orderId"]


def test_shortages_travel_in_camel_case(make_product, atoll_bus):
    cup = make_product(stock_on_hand=1)

    atoll_bus.deliver("reserve.stock", {"orderId": str(uuid4()), "items": [line(cup, 2)]}, times=1)

    (event,) = atoll_bus.published("stock.rejected")
    assert event["data"]["shortages"] == [{"productId": str(cup.id), "requested": 2, "available": 1}]


def test_the_event_keeps_the_command_s_correlation_id(make_product, atoll_bus):
    cup = make_product()
    order = {"orderId": str(uuid4()), "items": [line(cup, 1)]}

    atoll_bus.deliver("reserve.stock", order, correlation_id="shopping-trip-1")

    assert {event["correlationId"] for event in atoll_bus.published()} == {"shopping-trip-1"}


def test_commands_that_make_no_sense_end_as_dead_letters_and_change_nothing(make_product, atoll_bus):
    cup = make_product()
    for items in ([], [line(cup, 0)], [line(cup, -5)], [line(cup, "3")], "all of it", [{"quantity": 1}]):
        (row,) = atoll_bus.deliver("reserve.stock", {"orderId": str(uuid4()), "items": items}, times=1)
        assert atoll_bus.dead()[-1] == row, items

    assert stock(cup) == (10, 0)
    assert StockReservation.objects.count() == 0
    assert atoll_bus.published() == []


def test_selling_what_nobody_holds_is_a_dead_letter_for_a_person_to_look_at(make_product, atoll_bus):
    (row,) = atoll_bus.deliver("commit.stock", {"orderId": str(uuid4()), "items": []}, times=1)

    assert atoll_bus.dead() == [row]
    assert "holds no stock" in row.error


def test_every_release_is_answered_and_every_answer_carries_the_order_as_its_key(make_product, atoll_bus):
    cup = make_product(stock_on_hand=3)
    held, short, unknown = ({"orderId": str(uuid4()), "items": [line(cup, n)]} for n in (2, 9, 1))
    for order in (held, short):
        atoll_bus.deliver("reserve.stock", order, times=1)

    for order in (held, short, unknown):
        atoll_bus.deliver("release.stock", order)

    assert stock(cup) == (3, 0)
    assert [event["data"]["orderId"] for event in atoll_bus.published("stock.released")] == [
        order["orderId"] for order in (held, held, short, short, unknown, unknown)
    ]
    keys = Outbox.objects.filter(kind="event").values_list("key", "body")
    assert {json.loads(body)["data"]["orderId"] == key for key, body in keys} == {True}


def test_releasing_what_was_sold_fails_and_says_so(make_product, atoll_bus):
    cup = make_product()
    order = {"orderId": str(uuid4()), "items": [line(cup, 3)]}
    atoll_bus.deliver("reserve.stock", order)
    atoll_bus.deliver("commit.stock", order)

    rows = atoll_bus.deliver("release.stock", order)

    assert {row.status for row in rows} == {"done"}
    assert stock(cup) == (7, 0)
    assert atoll_bus.published("stock.released") == []
    answers = [event["data"] for event in atoll_bus.published("stock.release_failed")]
    assert [(a["orderId"], a["reason"]) for a in answers] == [(order["orderId"], "already_sold")] * 2

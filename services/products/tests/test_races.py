"""Twenty orders at the very same moment, on connections of their own."""

import random
import threading
from functools import partial
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.db.models import Sum

from atoll.testing.races import at_once
from atoll.testing.running import eventually
from services.products.models import Product, ReservedItem, StockReservation
from services.products.usecases.commit_stock import commit_stock
from services.products.usecases.release_stock import release_stock
from services.products.usecases.reserve_stock import reserve_stock

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 20


def test_twenty_orders_for_the_last_seven_pieces_sell_exactly_seven(make_product):
    cup = make_product(stock_on_hand=7)
    orders = [uuid4() for _ in range(THREADS)]

    outcomes = at_once([partial(reserve_stock, order_id, [(cup.id, 1)]) for order_id in orders])

    states = [outcome.state for outcome in outcomes]
    assert (states.count("held"), states.count("rejected")) == (7, 13)
    cup.refresh_from_db()
    assert (cup.stock_on_hand, cup.stock_reserved) == (7, 7)


def test_orders_that_name_the_same_products_in_any_order_never_deadlock(make_product):
    products = [make_product(stock_on_hand=100) for _ in range(6)]
    shuffled = random.Random(7)

    def order() -> list:
        return [(product.id, 1) for product in shuffled.sample(products, k=6)]

    outcomes = at_once([partial(reserve_stock, uuid4(), order()) for _ in range(THREADS)])

    assert [outcome.state for outcome in outcomes] == ["held"] * THREADS
    assert set(Product.objects.values_list("stock_on_hand", "stock_reserved")) == {(100, THREADS)}


def test_one_order_reserved_twenty_times_at_once_holds_its_stock_once(make_product):
    cup = make_product(stock_on_hand=100)
    order_id = uuid4()

    outcomes = at_once([partial(reserve_stock, order_id, [(cup.id, 3)])] * THREADS)

    assert [outcome.state for outcome in outcomes] == ["held"] * THREADS
    cup.refresh_from_db()
    assert cup.stock_reserved == 3


def test_reserve_and_release_at_once_leave_nothing_held(make_product):
    cup = make_product(stock_on_hand=100)
    orders = [uuid4() for _ in range(THREADS // 2)]

    at_once(
        [
            call
            for order_id in orders
            for call in (partial(reserve_stock, order_id, [(cup.id, 3)]), partial(release_stock, order_id))
        ]
    )

    assert set(StockReservation.objects.values_list("state", flat=True)) == {"released"}
    cup.refresh_from_db()
    assert (cup.stock_on_hand, cup.stock_reserved) == (100, 0)


def test_commit_and_release_at_once_do_one_of_both_and_no_piece_is_lost(make_product):
    cup = make_product(stock_on_hand=100)
    orders = [uuid4() for _ in range(THREADS // 2)]
    for order_id in orders:
        reserve_stock(order_id, [(cup.id, 3)])

    at_once([partial(call, order_id) for order_id in orders for call in (commit_stock, release_stock)])

    assert set(StockReservation.objects.values_list("state", flat=True)) <= {"committed", "released"}
    sold = ReservedItem.objects.filter(reservation__state="committed").aggregate(n=Sum("quantity"))["n"] or 0
    cup.refresh_from_db()
    assert (cup.stock_on_hand, cup.stock_reserved) == (100 - sold, 0)


def test_a_reservation_that_ends_after_the_first_look_of_its_sale_is_sold(make_product):
    cup, order_id = make_product(stock_on_hand=10), uuid4()

    def reserve_first(execute, sql, params, many, context):
        if "FOR UPDATE" in sql and "products_stockreservation" in sql:
            at_once([partial(reserve_stock, order_id, [(cup.id, 3)])])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(reserve_first):
        sold = commit_stock(order_id)

    assert sold.state == StockReservation.objects.get().state == "committed"
    cup.refresh_from_db()
    assert (cup.stock_on_hand, cup.stock_reserved) == (7, 0)


def test_orders_that_are_decided_in_one_transaction_count_each_other(make_product):
    """The bus may run the handlers of several messages in one transaction."""
    cup, orders = make_product(stock_on_hand=7), [uuid4() for _ in range(3)]
    with transaction.atomic():
        states = [reserve_stock(order_id, [(cup.id, 3)]).state for order_id in orders]
        commit_stock(orders[0])
        release_stock(orders[1])
        late = reserve_stock(uuid4(), [(cup.id, 4)]).state
    assert (states, late) == (["held", "held", "rejected"], "held")
    cup.refresh_from_db()
    assert (cup.stock_on_hand, cup.stock_reserved) == (4, 4)


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND locktype = 'transactionid')"
        )
        return cursor.fetchone()[0]


def test_a_reservation_that_waited_for_a_release_gets_the_pieces(make_product):
    cup = make_product(stock_on_hand=10)
    first, second = uuid4(), uuid4()
    reserve_stock(first, [(cup.id, 10)])
    outcomes = []

    def reserve() -> None:
        outcomes.append(reserve_stock(second, [(cup.id, 5)]).state)
        connection.close()

    waiting = threading.Thread(target=reserve)
    with transaction.atomic():
        release_stock(first)
        waiting.start()
        eventually(waits_for_a_lock)
    waiting.join(20)
    assert outcomes == ["held"]
    cup.refresh_from_db()
    assert (cup.stock_on_hand, cup.stock_reserved) == (10, 5)

"""What an order costs products: round trips to the database, without those of the bus."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from django.db import transaction

from atoll.testing.statements import own_statements
from services.products.usecases.commit_stock import commit_stock
from services.products.usecases.release_stock import release_stock
from services.products.usecases.reserve_stock import reserve_stock

pytestmark = pytest.mark.django_db(transaction=True)


def cost(call: Callable[[], object]) -> int:
    with transaction.atomic(), own_statements() as statements:
        call()
    return len(statements)


def test_a_reservation_of_many_products_costs_one_statement_and_so_does_its_sale(make_product):
    items = [(make_product().id, 1) for _ in range(5)]
    sold, released = uuid4(), uuid4()
    assert cost(lambda: reserve_stock(sold, items)) == 1
    assert cost(lambda: commit_stock(sold)) == 1
    assert cost(lambda: reserve_stock(released, items)) == 1
    # The lock of the reservation comes first: a release may have to make it.
    assert cost(lambda: release_stock(released)) == 2


def test_a_rejected_or_repeated_reservation_costs_a_second_statement(make_product):
    order_id, cup = uuid4(), make_product(stock_on_hand=0)
    assert cost(lambda: reserve_stock(order_id, [(cup.id, 1)])) == 2
    assert cost(lambda: reserve_stock(order_id, [(cup.id, 1)])) == 2

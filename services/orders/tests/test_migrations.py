"""A database as it was before, with an order in it, is brought up to date without a lost digit."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection
from django.db.migrations.executor import MigrationExecutor

BEFORE = [("orders", "0004_undoing_in_the_database")]
LATEST = [("orders", "0006_money")]


def migrate(target: list[tuple[str, str]]):
    executor = MigrationExecutor(connection)
    executor.migrate(target)
    return MigrationExecutor(connection).loader.project_state(target).apps


@pytest.fixture
def back_to_the_latest(transactional_db):
    yield
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())


def test_orders_of_before_keep_their_amounts_and_take_the_new_ones(back_to_the_latest):
    apps = migrate(BEFORE)
    order_id = uuid4()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO orders_order (id, user_id, customer_name, customer_email, customer_name_as_of, "
            "customer_email_as_of, status, total, currency, payment_method, reason, created_at, updated_at, "
            "deadline_at, finished_at) VALUES (%s, %s, 'Ada', 'ada@example.com', now(), now(), 'confirmed', "
            "'999999999999000.00', 'EUR', 'card', '', now(), now(), now(), now()); "
            "INSERT INTO orders_orderline (order_id, product_id, name, quantity, unit_price) "
            "SELECT %s, gen_random_uuid(), 'Lamp', 1000, '9999999999.99' FROM generate_series(1, 100)",
            [order_id, uuid4(), order_id],
        )
    assert apps.get_model("orders", "Order").objects.count() == 1

    apps = migrate(LATEST)

    orders, lines = (apps.get_model("orders", name).objects for name in ("Order", "OrderLine"))
    assert orders.get().total == Decimal("999999999999000")
    assert set(lines.values_list("unit_price", flat=True)) == {Decimal("9999999999.99")}
    orders.update(status="refunded", reason="broken")
    with pytest.raises(IntegrityError, match="its lines sum up to"):
        orders.update(total=1)
    orders.all().delete()
    migrate(BEFORE)

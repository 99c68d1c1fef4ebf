"""The SQL that moves stock for orders: one statement for each decision.

Every statement first locks the reservation of the order, then its products by ascending id. Transactions
that lock in this order never wait for each other in a circle. A transaction that decides about several
orders can: then PostgreSQL ends one of them, and its changes are undone.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from atoll.postgresql.prepared import Prepared
from services.products.cache import invalidate_on_commit
from services.products.models import StockReservation

# Without `reservation` (another transaction made it) nothing is locked or changed. Old and new sums are those
# of the locked rows: the row that UPDATE itself sees is that of the statement's beginning, and PostgreSQL
# checks constraints on it even when the row has changed since.
RESERVE = Prepared(
    "reserve_stock",
    """
WITH reservation AS (
    INSERT INTO products_stockreservation (order_id, state, shortages, created_at, updated_at)
    VALUES (%(order_id)s, 'held', '[]', %(now)s, %(now)s)
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id
), wanted AS (
    SELECT * FROM unnest(%(product_ids)s::uuid[], %(quantities)s::numeric[]) AS item (product_id, quantity)
), product AS MATERIALIZED (
    SELECT product.id, stock_on_hand, stock_reserved,
        CASE WHEN is_active THEN stock_on_hand - stock_reserved ELSE 0 END AS available
    FROM products_product AS product, reservation
    WHERE product.id = ANY(%(product_ids)s::uuid[])
    ORDER BY product.id FOR NO KEY UPDATE OF product
), shortage AS MATERIALIZED (
    SELECT product_id, quantity, COALESCE(available, 0) AS available
    FROM reservation, wanted LEFT JOIN product ON product.id = product_id
    WHERE quantity > COALESCE(available, 0)
), item AS (
    INSERT INTO products_reserveditem (reservation_id, product_id, quantity)
    SELECT order_id, product_id, quantity FROM reservation, wanted
    WHERE NOT EXISTS (SELECT FROM shortage) ORDER BY product_id
    RETURNING product_id, quantity
), reserved AS (
    UPDATE products_product
    SET stock_on_hand = locked.stock_on_hand, stock_reserved = locked.stock_reserved + item.quantity,
        updated_at = %(now)s
    FROM item JOIN product AS locked ON locked.id = item.product_id
    WHERE products_product.id = item.product_id
)
SELECT EXISTS (SELECT FROM reservation), (
    SELECT jsonb_agg(
        jsonb_build_object('productId', product_id, 'requested', quantity, 'available', available)
        ORDER BY array_position(%(product_ids)s::uuid[], product_id))
    FROM shortage
)
""",
    order_id="uuid",
    product_ids="uuid[]",
    quantities="numeric[]",
    now="timestamptz",
)

MOVE = Prepared(
    "move_stock",
    """
WITH reservation AS (
    UPDATE products_stockreservation SET state = %(after)s, updated_at = %(now)s
    WHERE order_id = %(order_id)s AND state = %(before)s
    RETURNING order_id
), item AS MATERIALIZED (
    SELECT product.id, item.quantity
    FROM reservation
    JOIN products_reserveditem AS item ON item.reservation_id = reservation.order_id
    JOIN products_product AS product ON product.id = item.product_id
    ORDER BY product.id FOR NO KEY UPDATE OF product
)
UPDATE products_product AS product
SET stock_on_hand = stock_on_hand + %(on_hand)s * item.quantity,
    stock_reserved = stock_reserved + %(reserved)s * item.quantity,
    updated_at = %(now)s
FROM item WHERE product.id = item.id
RETURNING product.id
""",
    order_id="uuid",
    before="text",
    after="text",
    on_hand="int",
    reserved="int",
    now="timestamptz",
)


@dataclass(frozen=True)
class Move:
    """A new state of a reservation, and the change of the stock for each reserved piece."""

    before: StockReservation.State
    after: StockReservation.State
    on_hand: int
    reserved: int


_State = StockReservation.State
SELL = Move(_State.HELD, _State.COMMITTED, on_hand=-1, reserved=-1)
RELEASE = Move(_State.HELD, _State.RELEASED, on_hand=0, reserved=-1)
RETURN_SOLD = Move(_State.COMMITTED, _State.RETURNED, on_hand=1, reserved=0)
RETURN_UNSOLD = Move(_State.HELD, _State.RETURNED, on_hand=0, reserved=-1)


def reserve(order_id: UUID, wanted: Mapping[UUID, int]) -> tuple[bool, list[dict[str, Any]]]:
    """Make a held reservation with its items, unless the order has a reservation or a product is short.

    Returns whether the reservation is new, and the shortages in the order of ``wanted``. With a
    shortage the new reservation is held without items: the caller gives it its state.
    """
    values: dict[str, Any] = {
        "order_id": order_id,
        "product_ids": list(wanted),
        "quantities": list(wanted.values()),
        "now": timezone.now(),
    }
    with connection.cursor() as cursor:
        RESERVE.execute(cursor, values)
        is_new, shortages = cursor.fetchone()
    if is_new and not shortages:
        invalidate_on_commit()
    return is_new, json.loads(shortages or "[]")


def move(order_id: UUID, change: Move) -> bool:
    """Apply the change to the reservation and the stock of its items. False: it is not in ``before``."""
    values: dict[str, Any] = {**vars(change), "order_id": order_id, "now": timezone.now()}
    with connection.cursor() as cursor:
        MOVE.execute(cursor, values)
        moved = bool(cursor.fetchall())
    if moved:
        invalidate_on_commit()
    return moved

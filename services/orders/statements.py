"""The SQL of the hot path: one statement places an order, one locks it, and one moves it.

The ORM needs a statement for each of the tables. Rules do not depend on the way of writing: constraints and
triggers of the database hold them.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from atoll.postgresql.prepared import Prepared
from services.orders.models import Order, OrderCompensation, OrderLine, OrderTransition

ENTRY_FIELDS = (
    "from_status", "to_status", "event", "message_id", "actor", "correlation_id", "reason", "undoing", "at",
)  # fmt: skip

_COLUMNS = [field.attname for field in Order._meta.concrete_fields]

# The lines of an order never change, so they need no lock.
LOCK = Prepared(
    "lock_order",
    f"""
SELECT {", ".join(_COLUMNS)}, (
    SELECT json_agg(json_build_array(product_id, quantity) ORDER BY id)
    FROM orders_orderline WHERE order_id = orders_order.id)
FROM orders_order WHERE id = %(id)s FOR UPDATE OF orders_order
""",  # noqa: S608
    id="uuid",
)

_ENTRY = """
INSERT INTO orders_ordertransition
    (order_id, from_status, to_status, event, message_id, actor, correlation_id, reason, undoing, at)
VALUES
    (%(id)s, %(entry_from_status)s, %(entry_to_status)s, %(entry_event)s, %(entry_message_id)s,
     %(entry_actor)s, %(entry_correlation_id)s, %(entry_reason)s, %(entry_undoing)s, %(entry_at)s)
"""
_TYPES = {
    "entry_from_status": "text",
    "entry_to_status": "text",
    "entry_event": "text",
    "entry_message_id": "text",
    "entry_actor": "text",
    "entry_correlation_id": "text",
    "entry_reason": "text",
    "entry_undoing": "text",
    "entry_at": "timestamptz",
}

# The lines get their ids in the order of the arrays.
PLACE = Prepared(
    "place_order",
    f"""
WITH placed AS (
    INSERT INTO orders_order
        (id, user_id, customer_name, customer_email, customer_name_as_of, customer_email_as_of, status,
         total, currency, payment_method, reason, created_at, updated_at, deadline_at)
    VALUES
        (%(id)s, %(user_id)s, %(customer_name)s, %(customer_email)s, %(customer_name_as_of)s,
         %(customer_email_as_of)s, %(status)s, %(total)s, %(currency)s, %(payment_method)s, %(reason)s,
         %(created_at)s, %(updated_at)s, %(deadline_at)s)
), lines AS (
    INSERT INTO orders_orderline (order_id, product_id, name, quantity, unit_price)
    SELECT %(id)s, line.* FROM unnest(
        %(product_ids)s::uuid[], %(names)s::text[], %(quantities)s::int[], %(unit_prices)s::numeric[]) AS line
)
{_ENTRY}""",  # noqa: S608
    id="uuid",
    user_id="uuid",
    customer_name="text",
    customer_email="text",
    customer_name_as_of="timestamptz",
    customer_email_as_of="timestamptz",
    status="text",
    total="numeric",
    currency="text",
    payment_method="text",
    reason="text",
    created_at="timestamptz",
    updated_at="timestamptz",
    deadline_at="timestamptz",
    product_ids="uuid[]",
    names="text[]",
    quantities="int[]",
    unit_prices="numeric[]",
    **_TYPES,
)

MOVE = Prepared(
    "move_order",
    f"""
WITH moved AS (
    UPDATE orders_order
    SET status = %(status)s, reason = %(reason)s, finished_at = %(finished_at)s, updated_at = %(updated_at)s
    WHERE id = %(id)s
)
{_ENTRY}""",  # noqa: S608
    id="uuid",
    status="text",
    reason="text",
    finished_at="timestamptz",
    updated_at="timestamptz",
    **_TYPES,
)

# One statement for four tables. In JSON an amount and a time are texts, which lose nothing.
READ = Prepared(
    "read_order",
    f"""
SELECT {", ".join(_COLUMNS)},
    (SELECT json_agg(json_build_array(product_id, name, quantity, unit_price::text) ORDER BY id)
     FROM orders_orderline WHERE order_id = placed.id),
    (SELECT json_agg(json_build_array(kind, state, ended_by) ORDER BY id)
     FROM orders_ordercompensation WHERE order_id = placed.id),
    (SELECT json_agg(json_build_array(from_status, to_status, event, message_id, actor, correlation_id,
                                      reason, undoing, at) ORDER BY id)
     FROM orders_ordertransition WHERE order_id = placed.id)
FROM orders_order AS placed WHERE id = %(id)s
""",  # noqa: S608
    id="uuid",
)


def read_order(order_id: UUID) -> Order | None:
    """The order with its lines, compensations and history in memory, only for reading; None if absent."""
    with connection.cursor() as cursor:
        READ.execute(cursor, {"id": order_id})
        row = cursor.fetchone()
    if row is None:
        return None
    *values, lines, compensations, history = row
    order = Order.from_db(connection.alias, _COLUMNS, values)
    order.shown_lines = [_line(order, *line) for line in lines or ()]
    order.item_count = len(order.shown_lines)
    order.shown_compensations = [_compensation(*row) for row in compensations or ()]
    order.shown_history = [_entry(*entry) for entry in history or ()]
    return order


def _line(order: Order, product_id: str, name: str, quantity: int, unit_price: str) -> OrderLine:
    return OrderLine(
        order=order, product_id=UUID(product_id), name=name, quantity=quantity, unit_price=Decimal(unit_price)
    )


def _compensation(kind: str, state: str, ended_by: str) -> OrderCompensation:
    return OrderCompensation(kind=kind, state=state, ended_by=ended_by)


def _entry(*values: str) -> OrderTransition:
    entry = OrderTransition(**dict(zip(ENTRY_FIELDS, values, strict=True)))
    entry.at = datetime.fromisoformat(values[-1])
    return entry


def locked_order(order_id: UUID) -> Order | None:
    """The order with its ``pieces``, locked until the transaction ends."""
    with connection.cursor() as cursor:
        LOCK.execute(cursor, {"id": order_id})
        row = cursor.fetchone()
    if row is None:
        return None
    *values, pieces = row
    order = Order.from_db(connection.alias, _COLUMNS, values)
    order.pieces = pieces or ()
    return order


def insert_order(order: Order, lines: Sequence[OrderLine], entry: OrderTransition) -> None:
    """Write a new order, its lines and the first entry of its history."""
    columns = {
        "product_ids": [line.product_id for line in lines],
        "names": [line.name for line in lines],
        "quantities": [line.quantity for line in lines],
        "unit_prices": [line.unit_price for line in lines],
    }
    with connection.cursor() as cursor:
        PLACE.execute(cursor, _values(order, entry) | columns)


def move_order(order: Order, entry: OrderTransition) -> None:
    """Write the status of an order, what depends on it, and the entry of its history."""
    with connection.cursor() as cursor:
        MOVE.execute(cursor, _values(order, entry))


def _values(order: Order, entry: OrderTransition) -> dict[str, Any]:
    return vars(order) | {f"entry_{name}": value for name, value in vars(entry).items()}

"""The JSON of orders in answers, by hand: REST framework's fields would take longer than the query.

`serializers` describes the same for OpenAPI; a test holds both together.
"""

from typing import Any

from atoll import money
from services.orders.models import Order, OrderLine, OrderTransition


def shown(order: Order) -> dict[str, Any]:
    """An order in a list. ``items`` is None for an order without ``shown_lines``."""
    lines = order.shown_lines
    return {
        "id": order.id,
        "user_id": order.user_id,
        "customer": {"name": order.customer_name, "email": order.customer_email},
        "status": order.status,
        "items": None if lines is None else [_line(line, order.currency) for line in lines],
        "item_count": order.item_count,
        "total": money.exact(order.total, order.currency),
        "currency": order.currency,
        "payment_method": order.payment_method,
        "reason": order.reason,
        "refund": order.refund,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
        "deadline_at": order.deadline_at,
        "finished_at": order.finished_at,
    }


def detail(order: Order) -> dict[str, Any]:
    """An order with its history."""
    return shown(order) | {"history": [_entry(entry) for entry in order.shown_history or ()]}


def _line(line: OrderLine, currency: str) -> dict[str, Any]:
    return {
        "product_id": line.product_id,
        "name": line.name,
        "quantity": line.quantity,
        "unit_price": money.exact(line.unit_price, currency),
    }


def _entry(entry: OrderTransition) -> dict[str, Any]:
    return {
        "from": entry.from_status,
        "to": entry.to_status,
        "event": entry.event,
        "moved": entry.moved,
        "ignored": entry.ignored,
        "reason": entry.reason,
        "actor": entry.actor,
        "message_id": entry.message_id,
        "correlation_id": entry.correlation_id,
        "at": entry.at,
    }

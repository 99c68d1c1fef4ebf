"""The tiles of orders on the start page."""

from atoll.admin import register_tile
from services.orders import selectors

register_tile(
    "Open orders",
    selectors.count_open_orders,
    url_name="admin:orders_order_changelist",
    query="progress=open",
)
register_tile(
    "Orders past their deadline",
    selectors.count_overdue_orders,
    url_name="admin:orders_order_changelist",
    query="progress=overdue",
    alarming=True,
)
register_tile(
    "Orders with a failed compensation",
    selectors.count_orders_with_failed_compensation,
    url_name="admin:orders_order_changelist",
    query="progress=failed",
    alarming=True,
)

"""The figures of orders on the first page."""

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
    "Orders that could not be undone",
    selectors.count_orders_not_undone,
    url_name="admin:orders_order_changelist",
    query="progress=failed",
    alarming=True,
)

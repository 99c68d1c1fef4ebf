"""The tiles of products on the start page."""

from atoll.admin import register_tile
from services.products import selectors

register_tile(
    "Products in the catalogue",
    selectors.count_active,
    url_name="admin:products_product_changelist",
    query="is_active__exact=1",
)
register_tile(
    "Products sold out",
    selectors.count_sold_out,
    url_name="admin:products_product_changelist",
    query="availability=out&is_active__exact=1",
)
register_tile(
    "Orders that hold stock",
    selectors.count_held_reservations,
    url_name="admin:products_stockreservation_changelist",
    query="state__exact=held",
)

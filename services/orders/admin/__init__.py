"""The admin of orders; the import registers its pages and tiles."""

from services.orders.admin import orders, tiles

__all__ = ["orders", "tiles"]

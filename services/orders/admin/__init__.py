"""What staff see and may do; importing it registers all of it."""

from services.orders.admin import orders, tiles

__all__ = ["orders", "tiles"]

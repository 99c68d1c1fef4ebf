"""The admin pages of the bus. Importing this package registers all of them."""

from atoll.bus.admin import deliveries, inbox, outbox, pages, quarantine, tiles

__all__ = ["deliveries", "inbox", "outbox", "pages", "quarantine", "tiles"]

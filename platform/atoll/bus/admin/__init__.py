"""The admin pages of the bus. Importing this package registers all of them."""

from atoll.bus.admin import deliveries, failing_now, inbox, outbox, pages, quarantine, tiles

__all__ = ["deliveries", "failing_now", "inbox", "outbox", "pages", "quarantine", "tiles"]

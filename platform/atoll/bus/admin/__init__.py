"""The ledger for staff: how it goes, where a message is, what failed alike, and what to do about it.

Importing the package registers everything.
"""

from atoll.bus.admin import deliveries, inbox, outbox, pages, quarantine, tiles

__all__ = ["deliveries", "inbox", "outbox", "pages", "quarantine", "tiles"]

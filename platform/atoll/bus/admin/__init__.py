"""The ledger for staff: how it goes, where a message is, what failed alike, and what to do about it.

Importing the package registers everything.
"""

from atoll.bus.admin import dead_letters, deliveries, inbox, outbox, overview, quarantine, tiles, where

__all__ = ["dead_letters", "deliveries", "inbox", "outbox", "overview", "quarantine", "tiles", "where"]

"""Identifiers: UUID version 7 (RFC 9562), sortable by the time they were made."""

from uuid import UUID

import uuid_utils.compat


def uuid7() -> UUID:
    """A new UUIDv7. Ids made later in one process sort after earlier ones."""
    return uuid_utils.compat.uuid7()

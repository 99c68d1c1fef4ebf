"""Identifiers: UUID version 7 (RFC 9562). They sort by the time of their making."""

from uuid import UUID

import uuid_utils.compat

__all__ = ["uuid7"]


def uuid7() -> UUID:
    """A new UUIDv7. Ids made later in one process sort after earlier ones."""
    return uuid_utils.compat.uuid7()

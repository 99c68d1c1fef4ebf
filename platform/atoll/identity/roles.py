"""The roles of accounts, and what each may do in the admins."""

ADMIN = "admin"
STAFF = "staff"
ROLES = (ADMIN, STAFF)

STAFF_VERBS = frozenset({"view", "add", "change"})


def staff_may(permission: str) -> bool:
    """What the staff role allows in every admin: all but deleting (and what an admin class forbids)."""
    _app, _dot, codename = permission.rpartition(".")
    return codename.split("_", 1)[0] in STAFF_VERBS

"""The roles of accounts. An account without a role is a customer, an account with one is staff.

support    reads every page of every admin, acts on orders, payments and customers' accounts
catalogue  keeps the products and their stock
operator   keeps routes, the registry and messages: publishes, drains, replays, discards
admin      administrator: all of that, and accounts of staff, roles, keys and credentials
"""

from collections.abc import Iterable

__all__ = [
    "ADMIN",
    "CATALOGUE",
    "FORMER_ROLES",
    "OPERATOR",
    "ROLES",
    "SUPPORT",
    "TITLES",
    "current_roles",
    "holds_one_of",
]

ADMIN = "admin"
SUPPORT = "support"
CATALOGUE = "catalogue"
OPERATOR = "operator"
ROLES = (ADMIN, SUPPORT, CATALOGUE, OPERATOR)

TITLES = {
    ADMIN: "administrator",
    SUPPORT: "support",
    CATALOGUE: "catalogue",
    OPERATOR: "operator",
}

FORMER_ROLES = {"staff": (SUPPORT, CATALOGUE)}
"""The roles of today that replace a role of an earlier version, with access to the same orders and products.

``operator`` is not among them: the earlier role did not include its rights.
"""


def current_roles(given: Iterable[str]) -> frozenset[str]:
    """The roles by their names of today. A name that was never a role stays and allows nothing."""
    held = set(given)
    for former, now in FORMER_ROLES.items():
        if former in held:
            held.remove(former)
            held.update(now)
    return frozenset(held)


def holds_one_of(held: Iterable[str], needed: Iterable[str]) -> bool:
    """Whether ``held`` contains one of the ``needed`` roles, or administrator."""
    roles = frozenset(held)
    return ADMIN in roles or not roles.isdisjoint(needed)

"""The roles of accounts: who holds none is a customer, who holds any is staff.

support    reads every page of every admin, acts on orders, payments and customers' accounts
catalogue  keeps the products and their stock
operator   keeps routes, the registry and messages: publishes, drains, replays, discards
admin      administrator: all of that, and accounts of staff, roles, keys and credentials
"""

from collections.abc import Iterable

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
"""What a role of an earlier version means now: the same people reach the same orders and products.

It never means ``operator``, which earlier staff were never asked to be.
"""


def current_roles(given: Iterable[str]) -> frozenset[str]:
    """The roles under their names of today; a name that was never a role is kept and allows nothing."""
    held = set(given)
    for former, now in FORMER_ROLES.items():
        if former in held:
            held.remove(former)
            held.update(now)
    return frozenset(held)


def holds_one_of(held: Iterable[str], needed: Iterable[str]) -> bool:
    """Whether somebody with the roles ``held`` may do what ``needed`` roles may; an administrator always."""
    roles = frozenset(held)
    return ADMIN in roles or not roles.isdisjoint(needed)

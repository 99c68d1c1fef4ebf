"""Which roles each permission of the admins is for, as the admin classes declare it.

A permission is Django's text, ``orders.view_order``: app, verb, model. An administrator
has every permission. One that nobody declared is an administrator's alone.
"""

from collections.abc import Mapping

Rights = Mapping[str, tuple[str, ...]]
"""The roles by verb, such as ``{"view": (SUPPORT,), "change": (SUPPORT,)}``."""

_declared: dict[tuple[str, str], Rights] = {}


def declare(app_label: str, model_name: str, rights: Rights, *, unless_declared: bool = False) -> None:
    """Say who may do what to the rows of a model. ``unless_declared`` leaves what its own page said."""
    if unless_declared:
        _declared.setdefault((app_label, model_name), rights)
    else:
        _declared[app_label, model_name] = rights


def roles_for(permission: str) -> frozenset[str]:
    """The roles with that permission; empty when only an administrator has it."""
    app_label, _dot, codename = permission.partition(".")
    # A model's name has no underscore; a verb may, as in receive_stock.
    verb, _underscore, model_name = codename.rpartition("_")
    return frozenset(_declared.get((app_label, model_name), {}).get(verb, ()))

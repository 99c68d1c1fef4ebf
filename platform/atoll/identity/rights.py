"""The roles that have each permission in the admins, as the admin classes declare them.

A permission is Django's text of app, verb and model: ``orders.view_order``. An administrator has every
permission. Without a declaration only administrators have it.
"""

from collections.abc import Mapping

__all__ = ["Rights", "declare", "roles_for"]

Rights = Mapping[str, tuple[str, ...]]
"""The roles by verb, such as ``{"view": (SUPPORT,), "change": (SUPPORT,)}``."""

_declared: dict[tuple[str, str], Rights] = {}


def declare(app_label: str, model_name: str, rights: Rights, *, unless_declared: bool = False) -> None:
    """Declare the rights of roles over a model. With ``unless_declared`` an earlier declaration stays."""
    if unless_declared:
        _declared.setdefault((app_label, model_name), rights)
    else:
        _declared[app_label, model_name] = rights


def roles_for(permission: str) -> frozenset[str]:
    """The roles with the permission; empty when only administrators have it."""
    app_label, _dot, codename = permission.partition(".")
    # A model's name has no underscore; a verb may, as in receive_stock.
    verb, _underscore, model_name = codename.rpartition("_")
    return frozenset(_declared.get((app_label, model_name), {}).get(verb, ()))

"""Permissions for the pages of an admin, and the page for accounts without them."""

from collections.abc import Callable, Iterable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from atoll.identity.rights import roles_for
from atoll.identity.roles import ADMIN, ROLES, TITLES

VERBS = {"add_view": "add", "delete_view": "delete"}


class RoleNeeded(PermissionDenied):
    """The account lacks a role for the page or action; ``roles`` has those beside the administrator."""

    def __init__(self, roles: Iterable[str]) -> None:
        self.roles = tuple(role for role in ROLES if role in frozenset(roles))
        super().__init__(f"This needs the role {self.in_words}.")

    @property
    def in_words(self) -> str:
        return " or ".join(TITLES[role] for role in (*self.roles, ADMIN) if role)


def require(request: HttpRequest, permissions: Iterable[str]) -> None:
    """Raises RoleNeeded for the first permission that the request's user lacks."""
    for permission in permissions:
        if not request.user.has_perm(permission):
            raise RoleNeeded(roles_for(permission))


def permissions_needed(view: Callable[..., Any], request: HttpRequest) -> tuple[str, ...]:
    """The permissions for a view of an admin class, at least to view its rows; empty for other views."""
    owner: Any = getattr(view, "__self__", None)
    permission = getattr(owner, "permission", None)
    if permission is None:
        return ()
    declared = getattr(view, "allowed_permissions", None)
    if declared is not None:
        return tuple(verb if "." in verb else permission(verb) for verb in declared)
    name = view.__name__
    saves = name == "change_view" and request.method == "POST"
    verb = "change" if saves else VERBS.get(name, "view")
    return () if verb in owner.never else (permission(verb),)


def refused_page(site: Any, request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    """The 403 page, with the roles that it needs and those of the account."""
    page = {
        **site.each_context(request),
        "title": "Not for your role",
        "needed": error.in_words if isinstance(error, RoleNeeded) else "",
        "held": [TITLES[role] for role in ROLES if role in held_roles(request)],
    }
    return TemplateResponse(request, "atoll/admin/refused.html", page, status=403)


def held_roles(request: HttpRequest) -> frozenset[str]:
    from atoll.identity.backends import roles_of

    own = getattr(request.user, "roles_held", None)
    return own if own is not None else roles_of(request.user)

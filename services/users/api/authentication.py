"""Whose request this is, as the accounts stand now."""

from dataclasses import replace

from rest_framework.request import Request

from atoll.identity import Principal
from atoll.identity.drf import BearerAuthentication
from services.users.selectors import active_accounts


class CurrentRoles(BearerAuthentication):
    """A bearer token, with no role that its account has lost since.

    Everywhere else a token keeps its roles until it runs out. Here they could be used to make a
    new administrator in the meantime, and the accounts are at hand.
    """

    def authenticate(self, request: Request) -> tuple[Principal, str] | None:
        shown = super().authenticate(request)
        if shown is None or not shown[0].roles:
            return shown
        caller, token = shown
        account = active_accounts().filter(id=caller.id).first()
        held = account.roles_held if account is not None else frozenset()
        return replace(caller, roles=caller.roles & held), token

"""The caller of a request, with the present roles of the account."""

from dataclasses import replace

from rest_framework.request import Request

from atoll.identity import InvalidToken, Principal
from atoll.identity.drf import BearerAuthentication
from services.users.selectors import active_accounts


class CurrentRoles(BearerAuthentication):
    """A bearer token without the roles that its account has lost.

    Other services hear of lost roles within seconds. Within these seconds a former administrator
    could make a new one here, so users reads its own table. A user of another issuer has no account here,
    and could have the id of one.
    """

    def authenticate(self, request: Request) -> tuple[Principal, str] | None:
        shown = super().authenticate(request)
        if shown is not None and shown[0].issuer:
            raise InvalidToken("The accounts here are those of users, and the token is of another issuer.")
        if shown is None or not shown[0].roles:
            return shown
        caller, token = shown
        account = active_accounts().filter(id=caller.id).first()
        held = account.roles_held if account is not None else frozenset()
        return replace(caller, roles=caller.roles & held), token

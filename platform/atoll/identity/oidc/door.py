"""The way into and out of the admin of this project."""

from functools import cache
from typing import Protocol

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.module_loading import import_string


class Door(Protocol):
    def sign_in(self, request: HttpRequest) -> HttpResponse:
        """The answer of ``/admin/login/``."""

    def sign_out(self, request: HttpRequest) -> HttpResponse:
        """The answer of a POST to ``/admin/logout/``. Side effect: ends the session."""

    def is_over(self, request: HttpRequest) -> bool:
        """Whether the sign-in of a session has ended. Asked for each request of a signed-in user."""


def door() -> Door:
    """``ATOLL_ADMIN_DOOR`` names another class than the client of an issuer: users is the issuer itself."""
    return _made(getattr(settings, "ATOLL_ADMIN_DOOR", "atoll.admin.signing_in.ClientDoor"))


@cache
def _made(path: str) -> Door:
    made: Door = import_string(path)()
    return made

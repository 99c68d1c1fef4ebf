"""How often passwords may be guessed, at every door; docs of the rules in ``atoll.identity.limits``.

One source alone makes at most 130 failures of an account in an hour (10 in each of 13 windows), so
that it cannot use up the 150 that new sources have together.
"""

from django.http import HttpRequest

from atoll.identity.limits import CredentialLimit, Rate
from services.users.models import User

OF_A_SOURCE = Rate(10, 300)
OF_NEW_SOURCES = Rate(150, 3600)

SIGN_IN = CredentialLimit(
    "sign-in", per_address=Rate(60, 60), per_source=OF_A_SOURCE, per_account=OF_NEW_SOURCES
)
CHANGE_PASSWORD = CredentialLimit(
    "change-password", per_address=Rate(60, 60), per_source=OF_A_SOURCE, per_account=OF_NEW_SOURCES
)


def remember_source(request: HttpRequest, user: User) -> None:
    """The person has shown the password here: guesses from elsewhere do not lock this source out."""
    SIGN_IN.succeeded(request, user.email)
    CHANGE_PASSWORD.succeeded(request, str(user.id))

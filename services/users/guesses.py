"""The limits of attempts with a password; ``atoll.identity.limits`` explains the rules.

One source makes at most 130 failures for an account in an hour (10 in each of 13 windows). So one
source alone cannot use up the 150 failures that all new sources share.
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
    """Side effect: failures of other sources do not lock out this source, which has shown the password."""
    SIGN_IN.succeeded(request, user.email)
    CHANGE_PASSWORD.succeeded(request, str(user.id))

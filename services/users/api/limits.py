"""The limits of attempts with each credential; ``atoll.identity.limits`` explains the rules."""

from atoll.identity.limits import CredentialLimit, Rate
from services.users.guesses import CHANGE_PASSWORD, OF_A_SOURCE, SIGN_IN, remember_source

__all__ = [
    "CHANGE_PASSWORD",
    "CONFIRM_EMAIL",
    "EMAIL_CHANGE",
    "NEW_PASSWORD",
    "PASSWORD_RESET",
    "REFRESH",
    "REGISTER",
    "SERVICE_TOKEN",
    "SIGN_IN",
    "SIGN_IN_TOKEN",
    "SIGN_OUT",
    "remember_source",
]

REGISTER = CredentialLimit("register", per_address=Rate(60, 60), per_source=OF_A_SOURCE)
# Nobody can guess the random refresh tokens and secrets of services. A limit over all sources would only
# allow strangers to lock out a new instance of a service.
REFRESH = CredentialLimit("refresh", per_address=Rate(120, 60), per_source=Rate(20, 300))
SERVICE_TOKEN = CredentialLimit("service-token", per_address=Rate(120, 60), per_source=Rate(20, 300))
# Codes are random, too, and every admin of one machine asks from one address.
SIGN_IN_TOKEN = CredentialLimit("sign-in-token", per_address=Rate(600, 60))
SIGN_OUT = CredentialLimit("sign-out", per_address=Rate(120, 60))
# A token lives longer than two of these windows, so a stranger who uses up the mails of an account cannot
# keep a valid token from its owner.
PASSWORD_RESET = CredentialLimit("password-reset", per_address=Rate(20, 60), per_account=Rate(3, 900))
NEW_PASSWORD = CredentialLimit("new-password", per_address=Rate(30, 60))
# Each request sends a mail to an address that may be a stranger's.
EMAIL_CHANGE = CredentialLimit("email-change", per_address=Rate(20, 60), per_account=Rate(3, 900))
CONFIRM_EMAIL = CredentialLimit("confirm-email", per_address=Rate(30, 60))

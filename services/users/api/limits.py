"""How often each credential may be tried; docs of the rules in ``atoll.identity.limits``."""

from atoll.identity.limits import CredentialLimit, Rate
from services.users.guesses import CHANGE_PASSWORD, OF_A_SOURCE, SIGN_IN, remember_source

__all__ = [
    "CHANGE_PASSWORD",
    "NEW_PASSWORD",
    "PASSWORD_RESET",
    "REFRESH",
    "REGISTER",
    "SERVICE_TOKEN",
    "SIGN_IN",
    "SIGN_OUT",
    "remember_source",
]

REGISTER = CredentialLimit("register", per_address=Rate(60, 60), per_source=OF_A_SOURCE)
# Refresh tokens and services' secrets are random and cannot be guessed: a limit over all sources would
# only let strangers lock out a service's new instance.
REFRESH = CredentialLimit("refresh", per_address=Rate(120, 60), per_source=Rate(20, 300))
SERVICE_TOKEN = CredentialLimit("service-token", per_address=Rate(120, 60), per_source=Rate(20, 300))
SIGN_OUT = CredentialLimit("sign-out", per_address=Rate(120, 60))
# A token outlives two of these windows: whoever uses up an account's mails leaves its owner one that works.
PASSWORD_RESET = CredentialLimit("password-reset", per_address=Rate(20, 60), per_account=Rate(3, 900))
NEW_PASSWORD = CredentialLimit("new-password", per_address=Rate(30, 60))

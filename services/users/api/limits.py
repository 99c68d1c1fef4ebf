"""How often each credential may be tried; docs of the rules in ``atoll.identity.limits``."""

from atoll.identity.limits import CredentialLimit, Rate

REGISTER = CredentialLimit("register", per_address=Rate(60, 60), per_account=Rate(10, 300))
SIGN_IN = CredentialLimit("sign-in", per_address=Rate(60, 60), per_account=Rate(10, 300))
REFRESH = CredentialLimit("refresh", per_address=Rate(120, 60), per_account=Rate(20, 300))
SIGN_OUT = CredentialLimit("sign-out", per_address=Rate(120, 60))
CHANGE_PASSWORD = CredentialLimit("change-password", per_address=Rate(60, 60), per_account=Rate(10, 300))
# Its account is the service at one address, so that nobody elsewhere can lock a service out.
SERVICE_TOKEN = CredentialLimit("service-token", per_address=Rate(120, 60), per_account=Rate(20, 300))
# A token outlives two of these windows: whoever uses up an account's mails leaves its owner one that works.
PASSWORD_RESET = CredentialLimit("password-reset", per_address=Rate(20, 60), per_account=Rate(3, 900))
NEW_PASSWORD = CredentialLimit("new-password", per_address=Rate(30, 60))

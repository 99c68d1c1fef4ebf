"""How a service's secret is kept and compared."""

import secrets

from django.utils.crypto import constant_time_compare, salted_hmac

MIN_SECRET_CHARS = 32
SALT = "services.users.service-credential"


def new_secret() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """HMAC-SHA-256 under SECRET_KEY. Enough for long random secrets, never for passwords."""
    return salted_hmac(SALT, secret, algorithm="sha256").hexdigest()


def matches(secret: str, secret_hash: str) -> bool:
    return constant_time_compare(hash_secret(secret), secret_hash)

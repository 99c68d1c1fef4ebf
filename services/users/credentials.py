"""Secrets of services: how they are made, stored and compared."""

import secrets

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

MIN_SECRET_CHARS = 32
SALT = "services.users.service-credential"


def new_secret() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str, key: str | None = None) -> str:
    """HMAC-SHA-256 with ``key``, or SECRET_KEY: enough for long random secrets, not for passwords."""
    return salted_hmac(SALT, secret, secret=key, algorithm="sha256").hexdigest()


def matches(secret: str, secret_hash: str) -> bool:
    """Also true for a hash with a key of SECRET_KEY_FALLBACKS."""
    return any(
        constant_time_compare(hash_secret(secret, key), secret_hash)
        for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    )

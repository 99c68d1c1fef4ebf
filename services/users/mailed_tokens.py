"""Random tokens that a mail carries to a person."""

import hashlib
import secrets


def new_token() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """SHA-256: enough for long random tokens, not for passwords."""
    return hashlib.sha256(token.encode()).hexdigest()

"""Who is asking: bearer tokens, their keys, permissions, and signing in to the admin.

Every process verifies tokens itself with the public keys of users; nobody
trusts an identity header. ``docs/decisions`` tells why, design in RFC 8725.
"""

from atoll.identity.principal import Principal
from atoll.identity.service import service_token
from atoll.identity.tokens import InvalidToken
from atoll.identity.verification import verify

__all__ = ["InvalidToken", "Principal", "service_token", "verify"]

"""Identity: bearer tokens, their keys, permissions, and the sign-in to the admin.

Every process verifies tokens with the public keys of users, by RFC 8725. No process trusts a header
that names a user.
"""

from typing import TYPE_CHECKING

from atoll.late import late

if TYPE_CHECKING:
    from atoll.identity.principal import Principal
    from atoll.identity.service import service_token
    from atoll.identity.tokens import InvalidToken
    from atoll.identity.verification import verify

__all__ = ["InvalidToken", "Principal", "service_token", "verify"]

__getattr__ = late(
    __name__,
    {
        "principal": ("Principal",),
        "service": ("service_token",),
        "tokens": ("InvalidToken",),
        "verification": ("verify",),
    },
)

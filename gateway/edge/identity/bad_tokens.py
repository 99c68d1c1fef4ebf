"""Remembers refused tokens, and limits the verifications of new bad tokens for each address.

A signature check costs as much processor time as a whole request, and everybody may ask for one. So the
same bad token is checked once, and an address that sends many different ones has to wait. Tokens that
were verified before are not touched by this.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from math import ceil

from gateway.edge.error_responses import ErrorResponse
from gateway.edge.limits.allowance import Allowance

REMEMBERED_S = 10.0
"""Short: a token that is not valid yet becomes good."""
MOST_TOKENS = 10_000
ALLOWED = 200
REGAIN_S = 0.1
"""An address may have ALLOWED bad tokens checked, and regains one check in this time."""


class BadTokens:
    """``refused`` counts requests that were refused without a check."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._refused_until: OrderedDict[bytes, float] = OrderedDict()
        self._checks = Allowance(ALLOWED, REGAIN_S, now)
        self.refused = 0

    def holds(self, authorization: bytes) -> bool:
        """Whether this credential was refused a moment ago."""
        if not self._refused_until:
            return False
        until = self._refused_until.get(_digest(authorization))
        if until is None or until <= self._now():
            return False
        self.refused += 1
        return True

    def check_address(self, client: str) -> None:
        """Raises ErrorResponse (429) for an address that has sent too many bad tokens."""
        wait_s = self._checks.wait_s(client)
        if wait_s > 0:
            self.refused += 1
            raise _too_many(wait_s)

    def remember(self, authorization: bytes) -> None:
        """A check has refused this credential."""
        held, digest = self._refused_until, _digest(authorization)
        held[digest] = self._now() + REMEMBERED_S
        held.move_to_end(digest)
        if len(held) > MOST_TOKENS:
            held.popitem(last=False)

    def count(self, client: str) -> None:
        """A credential of this client has been checked and refused."""
        self._checks.count(client)

    def forget(self) -> None:
        """Other keys or issuers are trusted now."""
        self._refused_until.clear()


def _too_many(wait_s: float) -> ErrorResponse:
    seconds = max(1, ceil(wait_s))
    return ErrorResponse(
        429,
        "Too many invalid tokens",
        "too_many_invalid_tokens",
        f"This address has sent too many invalid tokens. Try again in {seconds} s.",
        headers=[(b"retry-after", str(seconds).encode())],
        details={"retryAfterS": seconds},
    )


def _digest(authorization: bytes) -> bytes:
    return hashlib.blake2b(authorization, digest_size=16).digest()

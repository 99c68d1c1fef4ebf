"""Limits on everything that takes a credential, by address and by account.

Counted with django-ratelimit in the shared cache, so all instances of a
service count together. When the cache cannot be reached the attempt goes
through and a warning is logged: hashing alone keeps guessing slow, and losing
the cache must not sign everybody out.
"""

import logging
from dataclasses import dataclass

from django.http import HttpRequest
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError

from atoll.errors import TooManyRequests
from atoll.identity.addresses import client_address

log = logging.getLogger(__name__)


class OverLimit(TooManyRequests):
    """Says which policy was broken in the ``RateLimit`` fields (draft-ietf-httpapi-ratelimit-headers-07)."""

    def __init__(self, *, limit: int, window_s: int, retry_after_s: int) -> None:
        super().__init__(
            f"Too many attempts. Try again in {retry_after_s} seconds.", retry_after_s=retry_after_s
        )
        self.headers = {
            "Retry-After": str(retry_after_s),
            "RateLimit-Policy": f"{limit};w={window_s}",
            "RateLimit": f"limit={limit}, remaining=0, reset={retry_after_s}",
        }


@dataclass(frozen=True)
class Rate:
    """``limit`` times in ``window_s`` seconds, in fixed windows that start at a different second per key."""

    limit: int
    window_s: int


@dataclass(frozen=True)
class CredentialLimit:
    """Two limits under one name.

    Every attempt counts for its address. Only failures count for the account,
    so that no success, however frequent, locks anybody out; once over, right
    and wrong passwords get the same refusal. Attempts that run at the same
    moment may pass the account's limit together, at most one per server thread.
    """

    name: str
    per_address: Rate
    per_account: Rate | None = None

    def check(self, request: HttpRequest, account: str = "") -> None:
        """Count one attempt of this address; raises TooManyRequests before any secret is looked at."""
        self._use(request, "address", client_address(request), self.per_address, count=True)
        self.check_account(request, account)

    def check_account(self, request: HttpRequest, account: str) -> None:
        """For a credential whose account is known only later than its address; raises TooManyRequests."""
        if self.per_account and account:
            self._use(request, "account", account.strip().lower(), self.per_account, count=False)

    def failed(self, request: HttpRequest, account: str) -> None:
        """Count one failure of this account; the refusal comes with the next attempt."""
        if self.per_account and account:
            try:
                self._use(request, "account", account.strip().lower(), self.per_account, count=True)
            except OverLimit:
                log.warning("sign-in is locked for an account after repeated failures")

    def _use(self, request: HttpRequest, kind: str, value: str, rate: Rate, *, count: bool) -> None:
        try:
            usage = get_usage(
                request,
                group=f"{self.name}:{kind}",
                key=lambda group, request: value,
                rate=(rate.limit, rate.window_s),
                increment=count,
            )
        except (RedisError, OSError) as error:
            log.warning("limits are not counted, the cache is away: %s", error)
            return
        if usage is None:
            return
        full = usage["should_limit"] if count else usage["count"] >= usage["limit"]
        if full:
            raise OverLimit(
                limit=rate.limit, window_s=rate.window_s, retry_after_s=max(1, usage["time_left"])
            )

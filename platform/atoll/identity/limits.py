"""Rate limits for attempts with a credential: by source, by account and source, and by account.

A *source* is a client's IPv4 address or IPv6 /64. Wrong guesses lock out their source and not the
account's owner. An account also has a limit for guesses from all sources in a long window. A source
that has signed in to the account before (``atoll.identity.sources``) is exempt from it. An account that
does not exist has the same limits as one that does.

django-ratelimit counts in the shared cache, so all instances of a service count together. While the
cache is away every attempt is allowed and a warning is logged: hashing makes guesses slow, and an outage
of the cache must not keep everybody out.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.http import HttpRequest
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError

from atoll.addresses import bucket
from atoll.errors import TooManyRequests
from atoll.identity import sources
from atoll.identity.addresses import client_address

__all__ = ["CredentialLimit", "OverLimit", "Rate"]

log = logging.getLogger(__name__)


class OverLimit(TooManyRequests):
    """Its ``RateLimit`` fields name the exceeded policy (draft-ietf-httpapi-ratelimit-headers-07)."""

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
    """``limit`` times in ``window_s`` seconds. Windows are fixed, and start at another second for each key.

    So up to twice ``limit`` attempts are possible around the end of a window.
    """

    limit: int
    window_s: int


@dataclass(frozen=True)
class CredentialLimit:
    """Up to three limits under one name.

    ``per_address`` counts every attempt of a source. ``per_source`` counts failures of one account from
    one source. ``per_account`` counts failures of one account from all sources that have not signed in to
    it before, and refuses only such sources. Its limit must be higher than one source can reach, and its
    window long.

    Successes do not count for an account, so frequent success locks nobody out. Over the limit, right and
    wrong passwords get the same refusal. Concurrent attempts may pass the account's limits together, at
    most one for each server thread.
    """

    name: str
    per_address: Rate
    per_source: Rate | None = None
    per_account: Rate | None = None

    def check(self, request: HttpRequest, account: str = "") -> None:
        """Count one attempt of this source. Raises TooManyRequests before the secret is checked."""
        with _open_while_the_cache_is_away():
            self._count("address", _source(request), self.per_address, refuse=True)
        self.check_account(request, account)

    def check_account(self, request: HttpRequest, account: str) -> None:
        """Check the account's limits, for a caller that has checked the source. Raises TooManyRequests."""
        account, source = _same(account), _source(request)
        if not account:
            return
        with _open_while_the_cache_is_away():
            if self.per_source:
                self._refuse_when_full("source", f"{account}\0{source}", self.per_source)
            if self.per_account:
                try:
                    self._refuse_when_full("account", account, self.per_account)
                except OverLimit:
                    if not sources.is_known(self.name, account, source):
                        raise

    def failed(self, request: HttpRequest, account: str) -> None:
        """Count one failure of this account. The next attempt may be refused."""
        account, source = _same(account), _source(request)
        if not account:
            return
        with _open_while_the_cache_is_away():
            if self.per_source:
                self._count("source", f"{account}\0{source}", self.per_source)
            if self.per_account and not sources.is_known(self.name, account, source):
                self._count("account", account, self.per_account)

    def succeeded(self, request: HttpRequest, account: str) -> None:
        """Remember this source as one of the account's owner. The failures so far still count."""
        account = _same(account)
        if self.per_account and account:
            with _open_while_the_cache_is_away():
                sources.remember(self.name, account, _source(request))

    def _count(self, kind: str, value: str, rate: Rate, *, refuse: bool = False) -> None:
        used, time_left_s = self._usage(kind, value, rate, increment=True)
        if refuse and used > rate.limit:
            raise _over(rate, time_left_s)
        if not refuse and used == rate.limit:
            log.warning("%s: a %s is locked for %s s after %s failures", self.name, kind, time_left_s, used)

    def _refuse_when_full(self, kind: str, value: str, rate: Rate) -> None:
        used, time_left_s = self._usage(kind, value, rate, increment=False)
        if used >= rate.limit:
            raise _over(rate, time_left_s)

    def _usage(self, kind: str, value: str, rate: Rate, *, increment: bool) -> tuple[int, int]:
        """The count in this window, and the seconds until the window ends."""
        usage = get_usage(
            None,
            group=f"{self.name}:{kind}",
            key=lambda group, request: value,
            rate=(rate.limit, rate.window_s),
            increment=increment,
        )
        return (usage["count"], max(1, usage["time_left"])) if usage else (0, 1)


def _over(rate: Rate, time_left_s: int) -> OverLimit:
    return OverLimit(limit=rate.limit, window_s=rate.window_s, retry_after_s=time_left_s)


def _source(request: HttpRequest) -> str:
    return bucket(client_address(request))


def _same(account: str) -> str:
    """The spelling of an account's name by which accounts are found."""
    return account.strip().lower()


@contextmanager
def _open_while_the_cache_is_away() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        log.warning("limits are not counted, the cache is away: %s", error)

"""Limits on everything that takes a credential: by source, by account and source, and by account.

A *source* is a client's IPv4 address or IPv6 /64. Guesses lock the source out that makes them, and
not the account's owner. Of guesses from many sources an account admits a number in a long window;
a source that has signed in to the account before (``atoll.identity.sources``) is not subject to it.
An account that does not exist is limited like one that does.

Counted with django-ratelimit in the shared cache, so all instances of a service count together. While
the cache cannot be reached every attempt goes through and a warning is logged: hashing alone keeps
guessing slow, and losing the cache must not sign everybody out.
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
    """``limit`` times in ``window_s`` seconds, in fixed windows that start at a different second per key.

    So up to twice ``limit`` may come around the end of a window.
    """

    limit: int
    window_s: int


@dataclass(frozen=True)
class CredentialLimit:
    """Up to three limits under one name.

    ``per_address`` counts every attempt of a source. ``per_source`` counts failures of one account from
    one source. ``per_account`` counts failures of one account from all sources that have not signed in to
    it before, and refuses such sources only: give it more than one source can use up, and a long window.

    Successes are never counted for an account, so that no success, however frequent, locks anybody out;
    once over, right and wrong passwords get the same refusal. Attempts that run at the same moment may
    pass the account's limits together, at most one per server thread.
    """

    name: str
    per_address: Rate
    per_source: Rate | None = None
    per_account: Rate | None = None

    def check(self, request: HttpRequest, account: str = "") -> None:
        """Count one attempt of this source; raises TooManyRequests before any secret is looked at."""
        with _open_while_the_cache_is_away():
            self._count("address", _source(request), self.per_address, refuse=True)
        self.check_account(request, account)

    def check_account(self, request: HttpRequest, account: str) -> None:
        """For a credential whose account is known only later than its source; raises TooManyRequests."""
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
        """Count one failure of this account; the refusal comes with the next attempt."""
        account, source = _same(account), _source(request)
        if not account:
            return
        with _open_while_the_cache_is_away():
            if self.per_source:
                self._count("source", f"{account}\0{source}", self.per_source)
            if self.per_account and not sources.is_known(self.name, account, source):
                self._count("account", account, self.per_account)

    def succeeded(self, request: HttpRequest, account: str) -> None:
        """Remember that the account's owner comes from this source; failures stay counted."""
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
        """How many were counted in this window, and the seconds until it ends."""
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
    """One spelling of an account's name: the one under which accounts are looked up."""
    return account.strip().lower()


@contextmanager
def _open_while_the_cache_is_away() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        log.warning("limits are not counted, the cache is away: %s", error)

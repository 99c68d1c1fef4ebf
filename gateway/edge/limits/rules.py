"""Which limit counts for a request, and by what it counts.

A route has figures of its own. A policy is a limit with a name. It counts the requests of all its routes
together, and where it applies to the caller, it replaces the figures of the route.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol

from atoll.addresses import bucket as address_bucket
from atoll.identity.principal import Principal
from gateway.edge.authenticate import asker as caller
from gateway.edge.identity.api_keys import Machine

NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")
KEYS = ("user", "address", "api_key", "route")
APPLIES_TO = ("everyone", "anonymous", "signed_in")
LARGEST_LIMIT = 1_000_000_000
LONGEST_WINDOW_S = 86_400


class InvalidLimit(ValueError):
    """The text names the policy and the change that it needs."""


class Rule:
    """``limit`` requests per ``window_s``, with values that are computed once per publication.

    ``answer_format`` takes what remains and the seconds until all do (`answers.lines`).
    """

    __slots__ = ("answer_format", "id", "limit", "name", "step_s", "window_s")

    def __init__(self, name: str, limit: int, window_s: int, *, sign: str = "") -> None:
        self.name = name
        self.limit = limit
        self.window_s = window_s
        self.step_s = window_s / limit
        # A changed figure begins a new bucket.
        self.id = f"{limit}:{window_s}:{sign}{name}:"
        quoted = f'"{name}"'.encode()
        policy = b"ratelimit-policy: %b;q=%d;w=%d\r\nratelimit: %b;" % (quoted, limit, window_s, quoted)
        self.answer_format = policy.replace(b"%", b"%%") + b"r=%d;t=%d"


@dataclass(frozen=True)
class LimitPolicy:
    """``key`` is what it counts by, ``applies_to`` whose requests it counts, ``routes`` where.

    Names of routes that do not exist, or are not enabled, mean nothing.
    """

    name: str
    limit: int
    window_s: int
    key: str = "address"
    applies_to: str = "everyone"
    routes: tuple[str, ...] = ()

    def applies(self, *, anonymous: bool) -> bool:
        return self.applies_to != ("signed_in" if anonymous else "anonymous")


@dataclass(frozen=True, slots=True)
class Counting:
    """A rule and what it counts by."""

    rule: Rule
    key: str

    def asker(self, principal: Principal | None, client: str) -> str:
        """The part of a bucket's name that tells callers apart.

        Who cannot be told by the key's kind is told by the address; IPv6 counts by its /64.
        """
        if self.key == "user" and principal is not None:
            return caller(principal)
        if self.key == "api_key" and isinstance(principal, Machine):
            return caller(principal)
        return "all" if self.key == "route" else f"ip:{address_bucket(client)}"


class Limited(Protocol):
    """The fields of a route that say how it is limited."""

    @property
    def name(self) -> str: ...
    @property
    def rate_limit(self) -> int: ...
    @property
    def rate_window_s(self) -> int: ...
    @property
    def limit_key(self) -> str: ...


class LimitTable:
    """The limits of all routes of a published table."""

    def __init__(self, routes: Iterable[Limited] = (), policies: Iterable[LimitPolicy] = ()) -> None:
        own = {route.name: _own(route) for route in routes}
        self._anonymous = own | _shared(policies, anonymous=True)
        self._known = own | _shared(policies, anonymous=False)

    def of(self, route: str, principal: Principal | None) -> Counting | None:
        """The one limit that counts for this caller. None for no limit."""
        return (self._anonymous if principal is None else self._known).get(route)


def _own(route: Limited) -> Counting | None:
    if not route.rate_limit:
        return None
    return Counting(Rule(route.name, route.rate_limit, route.rate_window_s), route.limit_key)


def _shared(policies: Iterable[LimitPolicy], *, anonymous: bool) -> dict[str, Counting | None]:
    found: dict[str, Counting | None] = {}
    for policy in policies:
        if policy.applies(anonymous=anonymous):
            # A policy may have the name of a route, so its buckets have a sign that no name has.
            rule = Rule(policy.name, policy.limit, policy.window_s, sign="*")
            found |= dict.fromkeys(policy.routes, Counting(rule, policy.key))
    return found


def read(rows: Any) -> tuple[LimitPolicy, ...]:
    """The ``limits`` of a published document. None means none, as in older documents.

    Raises InvalidLimit.
    """
    found = tuple(_policy(row) for row in rows or ())
    for policy in found:
        check(policy)
    if len({policy.name for policy in found}) < len(found):
        raise InvalidLimit("Two limit policies have one name.")
    check_distinct(found)
    return found


def _policy(row: Any) -> LimitPolicy:
    try:
        routes = row.get("routes", ())
        if not isinstance(routes, list | tuple):
            raise TypeError("routes are no list")
        return LimitPolicy(
            name=str(row["name"]),
            limit=int(row["limit"]),
            window_s=int(row["window_s"]),
            key=str(row.get("key", LimitPolicy.key)),
            applies_to=str(row.get("applies_to", LimitPolicy.applies_to)),
            routes=tuple(str(name) for name in routes),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidLimit(f"A limit policy of the table cannot be read: {error!r}.") from error


def check(policy: LimitPolicy) -> None:
    """Raises InvalidLimit."""
    problem = None
    if not NAME.fullmatch(policy.name):
        problem = "its name must be lower-case letters, digits and hyphens."
    elif not 1 <= policy.limit <= LARGEST_LIMIT:
        problem = f"the limit must be 1 to {LARGEST_LIMIT} requests."
    elif not 1 <= policy.window_s <= LONGEST_WINDOW_S:
        problem = f"the window must be 1 to {LONGEST_WINDOW_S} s."
    elif policy.key not in KEYS:
        problem = f"it must count by one of {', '.join(KEYS)}."
    elif policy.applies_to not in APPLIES_TO:
        problem = f"it must apply to one of {', '.join(APPLIES_TO)}."
    if problem:
        raise InvalidLimit(f"Limit policy '{policy.name}': {problem}")


def check_distinct(policies: Iterable[LimitPolicy]) -> None:
    """Raises InvalidLimit when two policies apply to one caller of one route."""
    taken: dict[tuple[str, bool], str] = {}
    for policy in policies:
        for route, anonymous in product(policy.routes, (True, False)):
            other = (
                taken.setdefault((route, anonymous), policy.name)
                if policy.applies(anonymous=anonymous)
                else ""
            )
            if other not in ("", policy.name):
                raise InvalidLimit(
                    f"Limit policies '{other}' and '{policy.name}' both apply to "
                    f"{'anonymous' if anonymous else 'signed-in'} callers of route '{route}': take the "
                    "route out of one."
                )

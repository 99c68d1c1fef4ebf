"""What the gateway would do with a request: each step in its order, up to the refusal or the service.

Nothing is sent to a service, and no limit is spent.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from atoll.identity.principal import Principal
from gateway.edge import cors, headers, preflight, target
from gateway.edge.aggregation import run as aggregation
from gateway.edge.aggregation.addresses import fill
from gateway.edge.authenticate import authorise, is_open
from gateway.edge.error_responses import ErrorResponse
from gateway.edge.forward import own_fields
from gateway.edge.limits.rules import LimitTable
from gateway.edge.routes.hosts import plain
from gateway.edge.routes.order import advantage
from gateway.edge.routes.routing import CompiledRoute, Table
from gateway.edge.routes.snapshot import Snapshot
from gateway.edge.upstream import hedging
from gateway.edge.upstream.settings import AFTER_DELAY, NEVER
from gateway.explain.asked import Asked

if TYPE_CHECKING:
    from gateway.edge.exchange import Exchange

FindCaller = Callable[[Asked, Snapshot], Principal | None]


@dataclass(frozen=True)
class Step:
    """One policy and what it said."""

    name: str
    text: str
    is_refusal: bool = False


@dataclass(frozen=True)
class Sent:
    """A request as a service would get it."""

    service: str
    line: str
    fields: tuple[str, ...]


@dataclass
class Explanation:
    """``others`` are the routes that lost, each with the reason. ``refusal`` ends the request."""

    steps: list[Step] = field(default_factory=list)
    route: CompiledRoute | None = None
    others: list[tuple[CompiledRoute, str]] = field(default_factory=list)
    refusal: ErrorResponse | None = None
    sent: list[Sent] = field(default_factory=list)
    answer_fields: list[str] = field(default_factory=list)

    @property
    def services(self) -> list[str]:
        return sorted({one.service for one in self.sent})


def explain(asked: Asked, table: Table, find_caller: FindCaller) -> Explanation:
    """``find_caller`` verifies the credential. Raises nothing for any request."""
    told = Explanation()
    try:
        _follow(asked, table, find_caller, told)
    except ErrorResponse as refusal:
        told.refusal = refusal
        told.steps.append(Step("Answer", f"{refusal.status} {refusal.code}: {refusal.message}", True))
    told.answer_fields = b"\r\n".join(asked.answer_lines).decode().splitlines()
    return told


def _follow(asked: Asked, table: Table, find_caller: FindCaller, told: Explanation) -> None:
    exchange = cast("Exchange", asked)
    target.check(asked.path, asked.query)
    target.check_host(asked.host, "1.1")
    told.steps.append(Step("Address", "It has one reading only, so it passes as it is."))
    permissions = preflight.answer(exchange, table)
    if permissions is not None:
        told.steps.append(Step("Other origins", "It is a preflight, which the gateway answers itself: 204."))
        asked.answer_lines += [b"%b: %b" % field for field in permissions]
        return
    told.others = list(_others(asked, table, None))
    route = asked.route = told.route = table.match(asked.method, asked.path, asked.host, asked.fields)
    told.others = list(_others(asked, table, route))
    told.steps.append(Step("Route", f"{route.name} takes it."))
    cors.announce(exchange, route.cors)
    told.steps.append(Step("Other origins", _origin(asked, route)))
    _admit(asked, table, route, find_caller, told)
    told.sent = list(_sent(asked, table, route))
    told.steps += _second_requests(asked, table, told)


def _second_requests(asked: Asked, table: Table, told: Explanation) -> Iterator[Step]:
    has_body = b"content-length" in asked.fields or b"transfer-encoding" in asked.fields
    if has_body or asked.method not in hedging.METHODS:
        return
    for service in told.services:
        settings = table.snapshot.services.get(service)
        if settings is not None and settings.hedge.after != NEVER:
            after = f"{settings.hedge.delay_ms:g} ms" if settings.hedge.after == AFTER_DELAY else "the p95"
            text = f"Without an answer of {service} after {after}, a second instance is asked, too."
            yield Step("Second request", text)


def _others(asked: Asked, table: Table, winner: CompiledRoute | None) -> Iterator[tuple[CompiledRoute, str]]:
    """The routes that do not get the request, each with its reason."""
    for other in table.routes:
        if other is winner:
            continue
        reason = other.mismatch(asked.method, asked.path, asked.host, asked.fields)
        if reason is not None:
            yield other, f"{reason}."
        elif winner is not None:
            won = advantage(winner.route, other.route, plain(asked.host))
            yield other, f"it fits, too, but {winner.name} has {won}."
        else:
            yield other, "it fits, but leads to an inner path of the service."


def _origin(asked: Asked, route: CompiledRoute) -> str:
    if asked.origin is None:
        return "The request names no origin."
    whose = "the route's own" if route.route.cors is not None else "the shared"
    verdict = "may" if route.cors.allows(asked.origin) else "may not"
    return f"By {whose} rules a page of {asked.origin.decode('latin-1')} {verdict} read the answer."


def _admit(
    asked: Asked, table: Table, route: CompiledRoute, find_caller: FindCaller, told: Explanation
) -> None:
    """Raises ErrorResponse where the caller is refused."""
    bad_token: ErrorResponse | None = None
    try:
        asked.principal = find_caller(asked, table.snapshot)
    except ErrorResponse as error:
        bad_token = error
    told.steps.append(Step("Caller", _caller(asked.principal, bad_token)))
    told.steps.append(Step("Limit", _limit(asked, table, route)))
    if bad_token is not None and not is_open(route.route, asked.method):
        raise bad_token
    authorise(route.route, asked.method, asked.principal)
    told.steps.append(Step("Who may", _access(route, asked.method)))


def _caller(principal: Principal | None, bad_token: ErrorResponse | None) -> str:
    if bad_token is not None:
        return f"The credential is not good: {bad_token.message}"
    if principal is None:
        return "Nobody: the request has no token and no API key."
    roles = f" with the roles {', '.join(sorted(principal.roles))}" if principal.roles else ""
    return f"{principal.name or principal.email or principal}{roles}."


def _limit(asked: Asked, table: Table, route: CompiledRoute) -> str:
    counting = LimitTable(table.snapshot.routes, table.snapshot.limits).of(route.name, asked.principal)
    if counting is None:
        return "None."
    asker = counting.asker(asked.principal, asked.client)
    rule = counting.rule
    return f"{rule.limit} requests in {rule.window_s:g} s, counted for {asker}. This page spends none."


def _access(route: CompiledRoute, method: str) -> str:
    if is_open(route.route, method):
        return "Anyone may."
    return f"The rule {route.route.access!r} lets the caller in."


def _sent(asked: Asked, table: Table, route: CompiledRoute) -> Iterator[Sent]:
    """What the services would get. Raises ErrorResponse where an aggregate refuses."""
    if route.route.service is not None:
        query = b"?" + asked.query if asked.query else b""
        line = b"%b %b%b" % (asked.method.encode(), route.upstream_path(asked.path), query)
        yield Sent(route.route.service, line.decode("latin-1"), _fields(asked))
        return
    exchange = cast("Exchange", asked)
    aggregate, values = aggregation.find(asked.path, table.snapshot.aggregates)
    aggregation.authorise(aggregate, values, exchange)
    for leg in aggregate.legs:
        fields = tuple(aggregation.leg_fields(exchange).decode("latin-1").splitlines())
        yield Sent(leg.service, f"GET {fill(leg.path, values)}", _concealed(fields))


def _fields(asked: Asked) -> tuple[str, ...]:
    pieces = [*headers.to_service(asked.headers), own_fields(cast("Exchange", asked))]
    if asked.principal is not None:
        pieces.append(headers.identity_of(asked.principal))
    return _concealed(tuple(b"".join(pieces).decode("latin-1").splitlines()))


def _concealed(fields: tuple[str, ...]) -> tuple[str, ...]:
    """Without the credentials: the page may be on somebody's screen."""
    return tuple(
        f"{name}: (as the client sent it)" if name.lower() in ("authorization", "cookie") else line
        for line in fields
        for name in [line.partition(":")[0]]
    )

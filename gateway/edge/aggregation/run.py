"""Asks the legs of an aggregate in parallel, and makes one answer of theirs.

Each leg carries the caller's own token, so that each service checks it. A leg that fails becomes what the
declaration says, with an entry in ``errors``.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from atoll import wire
from gateway.edge.aggregation import pointers
from gateway.edge.aggregation.addresses import fill
from gateway.edge.aggregation.declaration import EMPTY_LIST, FAIL, Aggregate, Leg
from gateway.edge.error_responses import ErrorResponse
from gateway.edge.exchange import Exchange
from gateway.edge.forward import own_fields
from gateway.edge.identity.api_keys import carries_key
from gateway.edge.upstream.fetch import Fetcher, Reply

JSON = b"application/json"
NO_STORE = (b"cache-control", b"no-store")


async def answer(
    exchange: Exchange, aggregates: Iterable[Aggregate], fetcher: Fetcher, timeout_s: float
) -> None:
    """Answer with the aggregate at the path, within the route's ``timeout_s``.

    Raises ErrorResponse: 404 for a path or a thing that does not exist, 403 for a thing of somebody else, 500
    when all legs failed, and the error of a leg that may not fail.
    """
    aggregate, values = find(exchange.path, aggregates)
    authorise(aggregate, values, exchange)
    bound_s = min(aggregate.timeout_s or timeout_s, timeout_s)
    fields = leg_fields(exchange)
    parts = await asyncio.gather(
        *(_ask(fetcher, leg, fill(leg.path, values), fields, bound_s, exchange) for leg in aggregate.legs)
    )
    body = merge(aggregate, parts)
    await exchange.reply(200, JSON, wire.dumps(body), [NO_STORE])


def find(path: bytes, aggregates: Iterable[Aggregate]) -> tuple[Aggregate, dict[str, str]]:
    """The aggregate at ``path`` and its parameters. Raises ErrorResponse (404)."""
    known = []
    for aggregate in aggregates:
        values = aggregate.template.match(path)
        if values is not None:
            return aggregate, values
        known.append(aggregate.path)
    raise ErrorResponse(404, "Not found", "route_not_found", f"Here are {' and '.join(known) or 'none'}.")


def authorise(aggregate: Aggregate, values: dict[str, str], exchange: Exchange) -> None:
    """Raises ErrorResponse (403) unless the caller owns the aggregate or has one of its roles."""
    if not aggregate.owner and not aggregate.roles:
        return
    principal = exchange.principal
    if principal is not None:
        if aggregate.owner and principal.id == values[aggregate.owner]:
            return
        if aggregate.roles and principal.holds_one_of(*aggregate.roles):
            return
    raise ErrorResponse(403, "Not allowed", "not_allowed", aggregate.refused_message)


def merge(aggregate: Aggregate, parts: list[Any]) -> dict[str, Any]:
    """One body from the parts; a part is a value or an ErrorResponse. Raises ErrorResponse."""
    failed = [(leg, part) for leg, part in zip(aggregate.legs, parts, strict=True) if _is_error(part)]
    for leg, error in failed:
        if error.status == 404 and leg.missing_code:
            raise error
    for leg, error in failed:
        if leg.if_failed == FAIL:
            raise error
    errors = [_entry(leg, error) for leg, error in failed]
    if len(errors) == len(aggregate.legs):
        raise ErrorResponse(
            500,
            aggregate.failed_title,
            aggregate.failed_code,
            aggregate.failed_message,
            details={"errors": errors},
        )
    body: dict[str, Any] = {
        leg.name: _instead(leg) if _is_error(part) else part
        for leg, part in zip(aggregate.legs, parts, strict=True)
    }
    body["timestamp"] = wire.timestamp()
    return body | {"errors": errors} if errors else body


async def _ask(
    fetcher: Fetcher, leg: Leg, target: str, fields: bytes, bound_s: float, exchange: Exchange
) -> Any | ErrorResponse:
    timeout_s = min(leg.timeout_s or bound_s, bound_s)
    try:
        reply = await fetcher.get(leg.service, target, fields, timeout_s=timeout_s, trace=exchange.trace)
    except ErrorResponse as error:
        return error
    if reply.status == 404 and leg.missing_code:
        return ErrorResponse(404, leg.missing_title, leg.missing_code, leg.missing_message)
    return _read(leg, reply)


def _read(leg: Leg, reply: Reply) -> Any | ErrorResponse:
    try:
        if reply.status != 200:
            raise ValueError(f"{leg.service} answered {reply.status}")
        return pointers.project(reply.json(), leg.fields)
    except pointers.Absent:
        problem = f"{leg.service} answered in an unknown form"
    except ValueError as error:
        problem = str(error)
    return ErrorResponse(502, "Bad answer from service", "bad_answer", f"{problem}.")


def leg_fields(exchange: Exchange) -> bytes:
    """The header lines of each leg. A machine's key stays here: services verify tokens of people only."""
    if not exchange.authorization or carries_key(b"authorization", exchange.authorization):
        return own_fields(exchange)
    return own_fields(exchange) + b"authorization: %b\r\n" % exchange.authorization


def _is_error(part: Any) -> bool:
    return isinstance(part, ErrorResponse)


def _instead(leg: Leg) -> list[Any] | None:
    return [] if leg.if_failed == EMPTY_LIST else None


def _entry(leg: Leg, error: ErrorResponse) -> dict[str, str]:
    return {"source": leg.name, "error": error.title, "message": error.message, "code": error.code}

"""``GET /api/user/{userId}/dashboard`` combines the answers of two services, asked in parallel.

Both requests carry the user's token, so each service checks it. A part that fails is ``null``, with an
entry in ``errors``.
"""

import asyncio
import re
from typing import Any
from urllib.parse import quote

from atoll import wire
from gateway.edge.error_responses import ErrorResponse
from gateway.edge.exchange import Exchange
from gateway.edge.forward import own_fields
from gateway.edge.upstream.fetch import Fetcher, Reply

PATH = re.compile(rb"/([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})/dashboard")
USERS = "user-service"
ORDERS = "order-service"
SERVICES = (USERS, ORDERS)
USER_FIELDS = ("id", "name", "email")
ORDER_FIELDS = ("total", "recent", "totalValue")
# Fields that an earlier version of orders does not send.
NEWER_ORDER_FIELDS = ("totalValueCurrency", "totals")


async def answer(exchange: Exchange, rest: bytes, fetcher: Fetcher, timeout_s: float) -> None:
    """Raises ErrorResponse: 403 for another user, 404 for an unknown user, 500 when both parts failed."""
    match = PATH.fullmatch(rest)
    if match is None:
        raise ErrorResponse(
            404, "Not found", "route_not_found", "The dashboard is at /api/user/{userId}/dashboard."
        )
    user_id = match[1].decode().lower()
    principal = exchange.principal
    if principal is None or (principal.id != user_id and not principal.is_support):
        raise ErrorResponse(403, "Not allowed", "not_allowed", "This dashboard belongs to somebody else.")
    fields = own_fields(exchange) + b"authorization: %b\r\n" % (exchange.authorization or b"")
    user_id = quote(user_id)
    user, orders = await asyncio.gather(
        _part(fetcher, USERS, f"/users/{user_id}", fields, timeout_s, USER_FIELDS),
        _part(fetcher, ORDERS, f"/orders/summary?userId={user_id}", fields, timeout_s, ORDER_FIELDS),
    )
    if isinstance(user, ErrorResponse) and user.status == 404:
        raise user
    body: dict[str, Any] = {"user": None, "orders": None, "timestamp": wire.timestamp()}
    errors = []
    for name, part in (("user", user), ("orders", orders)):
        if isinstance(part, ErrorResponse):
            errors.append({"source": name, "error": part.title, "message": part.message, "code": part.code})
        else:
            body[name] = part
    if len(errors) == 2:
        raise ErrorResponse(
            500,
            "Failed to load dashboard data",
            "dashboard_failed",
            "Neither the account nor its orders could be read. Try again.",
            details={"errors": errors},
        )
    if errors:
        body["errors"] = errors
    await exchange.reply(200, b"application/json", wire.dumps(body), [(b"cache-control", b"no-store")])


async def _part(
    fetcher: Fetcher, service: str, target: str, fields: bytes, timeout_s: float, wanted: tuple[str, ...]
) -> dict[str, Any] | ErrorResponse:
    try:
        reply = await fetcher.get(service, target, fields, timeout_s=timeout_s)
    except ErrorResponse as error:
        return error
    if service == USERS and reply.status == 404:
        return ErrorResponse(404, "User not found", "user_not_found", "There is no account with this id.")
    return _read(service, reply, wanted)


def _read(service: str, reply: Reply, wanted: tuple[str, ...]) -> dict[str, Any] | ErrorResponse:
    try:
        if reply.status != 200:
            raise ValueError(f"{service} answered {reply.status}")
        data = reply.json()
        shown = {name: data[name] for name in wanted}
        if service == ORDERS:
            shown |= {name: data[name] for name in NEWER_ORDER_FIELDS if name in data}
        return shown
    except (ValueError, KeyError, TypeError) as error:
        problem = str(error) if isinstance(error, ValueError) else f"{service} answered in an unknown form"
        return ErrorResponse(502, "Bad answer from service", "bad_answer", f"{problem}.")

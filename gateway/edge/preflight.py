"""Answers a browser's question before a request to another origin (Fetch standard, CORS-preflight fetch).

A browser shows the page nothing of a preflight that fails: no status and no text. So the answer is 204
also where no route is: the request that follows gets the 404, which the page can read. A method that no
route takes is left out of the allowed ones: the browser then names it to the developer.
"""

from gateway.edge.control_routes import control_route
from gateway.edge.cors import VARY_ORIGIN, CorsPolicy, announce
from gateway.edge.exchange import Exchange, Headers
from gateway.edge.routes.paths import Candidates
from gateway.edge.routes.route import METHODS
from gateway.edge.routes.routing import Table

REQUESTED_METHOD = b"access-control-request-method"


def answer(exchange: Exchange, table: Table) -> Headers | None:
    """The fields of the 204 to a preflight.

    None for another request, and where the rules allow no other origin: both are routed.
    """
    method = exchange.fields.get(REQUESTED_METHOD) if exchange.method == "OPTIONS" else None
    if method is None or exchange.origin is None or _is_private(exchange.path):
        return None
    found = table.candidates(exchange.path, exchange.host)
    policies = _policies(found, method.decode("latin-1")) or [table.cors]
    if not any(policy.active for policy in policies):
        return None
    announce(exchange, policies[0])
    if not all(policy.allows(exchange.origin) for policy in policies):
        exchange.answer_lines = [VARY_ORIGIN]
        return []
    return policies[0].permissions(_methods(found, policies[0]))


def _is_private(path: bytes) -> bool:
    """Whether the path is the admin's, which no page of another origin may use."""
    controlled = control_route(path)
    return controlled is not None and controlled.is_private


def _policies(found: Candidates, method: str) -> list[CorsPolicy]:
    """The rules of each route that the request may reach.

    A preflight does not tell the values of header fields, so every route that asks for some counts, up
    to the first that asks for none.
    """
    policies = []
    for compiled in [one for one in found if method in one.methods] or found:
        policies.append(compiled.cors)
        if not compiled.headers:
            break
    return policies


def _methods(found: Candidates, policy: CorsPolicy) -> tuple[str, ...]:
    taken = frozenset[str]().union(*(one.methods for one in found)) if found else policy.methods
    return tuple(method for method in METHODS if method in policy.methods and method in taken)

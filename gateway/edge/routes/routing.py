"""Chooses the route of a request. `gateway.edge.routes.order` tells which of several fitting routes wins."""

from collections.abc import Mapping

from gateway.edge.cors import CorsPolicy
from gateway.edge.error_responses import ErrorResponse
from gateway.edge.routes import hosts
from gateway.edge.routes.compiled import CompiledRoute
from gateway.edge.routes.order import rank
from gateway.edge.routes.paths import Candidates, PathIndex
from gateway.edge.routes.route import METHODS
from gateway.edge.routes.snapshot import Snapshot

__all__ = ["CompiledRoute", "Table", "method_not_allowed"]

NO_FIELDS: Mapping[bytes, bytes] = {}


class Table:
    """``cors`` are the shared cross-origin rules. ``reads_fields``: a route asks for certain fields."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.version = snapshot.version
        self.cors = CorsPolicy(snapshot.cors)
        self.routes = tuple(CompiledRoute(route, self.cors) for route in snapshot.routes)
        _join_siblings(self.routes)
        self.reads_fields = any(compiled.headers for compiled in self.routes)
        self.services = frozenset(route.service for route in snapshot.routes if route.service)
        self._hosts = frozenset(host for route in snapshot.routes for host in route.hosts)
        self._indexes: dict[str, PathIndex] = {}
        self._exact: dict[bytes, PathIndex] = {}
        self._any_host = self._index(hosts.NO_HOST)

    def match(
        self, method: str, path: bytes, host: bytes = b"", fields: Mapping[bytes, bytes] = NO_FIELDS
    ) -> CompiledRoute:
        """``host`` is the Host field, ``fields`` have lower-case names.

        Raises ErrorResponse: 404 when no route fits or the path is internal to the service, 405 when no
        fitting route takes the method.
        """
        found = self.candidates(path, host)
        for compiled in found:
            if method in compiled.methods and (not compiled.headers or compiled.has_fields(fields)):
                if compiled.is_internal(path):
                    raise _not_found(path)
                return compiled
        raise _refusal(method, path, [one for one in found if one.has_fields(fields)])

    def candidates(self, path: bytes, host: bytes) -> Candidates:
        """The routes whose host and path fit, in the order in which they win."""
        return (self.index(host) if self._hosts else self._any_host).candidates(path)

    def index(self, host: bytes) -> PathIndex:
        """The routes that take a host, in the order in which they win. Made at the first request."""
        index = self._exact.get(host)
        if index is not None:
            return index
        kind = hosts.kind(hosts.plain(host), self._hosts)
        index = self._indexes.get(kind)
        return index if index is not None else self._index(kind)

    def _index(self, kind: str) -> PathIndex:
        taking = [one for one in self.routes if hosts.nearness(one.route.hosts, kind) is not None]
        index = PathIndex(sorted(taking, key=lambda compiled: rank(compiled.route, kind)))
        self._indexes[kind] = self._exact[kind.encode()] = index
        return index


def _join_siblings(routes: tuple[CompiledRoute, ...]) -> None:
    """Tell each route all that lead to its service, the longest service path first."""
    by_service: dict[str | None, list[CompiledRoute]] = {}
    for compiled in sorted(routes, key=lambda one: -len(one.service_path)):
        by_service.setdefault(compiled.route.service, []).append(compiled)
    for compiled in routes:
        compiled.siblings = by_service[compiled.route.service]


def _refusal(method: str, path: bytes, fitting: list[CompiledRoute]) -> ErrorResponse:
    allowed = frozenset[str]().union(*(compiled.methods for compiled in fitting))
    return method_not_allowed(method, allowed) if allowed else _not_found(path)


def _not_found(path: bytes) -> ErrorResponse:
    return ErrorResponse(
        404, "Not found", "route_not_found", f"No route of the gateway takes {path.decode('latin-1')}."
    )


def method_not_allowed(method: str, allowed: set[str] | frozenset[str]) -> ErrorResponse:
    listed = ", ".join(name for name in METHODS if name in allowed)
    return ErrorResponse(
        405,
        "Method not allowed",
        "method_not_allowed",
        f"{method} is not possible here; possible are {listed}.",
        headers=[(b"allow", listed.encode())],
    )

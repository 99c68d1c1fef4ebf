"""Chooses the route of a request: the highest priority, then the longest prefix."""

from gateway.edge.error_responses import ErrorResponse
from gateway.edge.routes.snapshot import INTERNAL, METHODS, Route, Snapshot

INTERNAL_BYTES = frozenset(segment.encode() for segment in INTERNAL)


class CompiledRoute:
    """A route with values that are computed once per publication, to save time on each request."""

    __slots__ = (
        "methods",
        "name",
        "policy",
        "prefix",
        "prefix_slash",
        "reads_are_public",
        "route",
        "service_path",
    )

    def __init__(self, route: Route) -> None:
        self.route = route
        self.name = route.name
        self.prefix = route.prefix.encode()
        self.prefix_slash = self.prefix + b"/"
        self.service_path = route.service_path.encode()
        self.methods = frozenset(route.methods)
        self.reads_are_public = route.access.startswith("public_read")
        self.policy = f'"{route.name}";q={route.rate_limit};w={route.rate_window_s}'.encode()

    def fits(self, path: bytes) -> bool:
        return path == self.prefix or path.startswith(self.prefix_slash)

    def upstream_path(self, path: bytes) -> bytes:
        """``path`` with the prefix replaced by the service's path."""
        return (self.service_path + path[len(self.prefix) :]) or b"/"

    def is_internal(self, path: bytes) -> bool:
        """Whether the path is an internal one of the service, such as /metrics."""
        if self.route.service is None:
            return False
        return self.upstream_path(path).split(b"/", 2)[1] in INTERNAL_BYTES


class Table:
    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.version = snapshot.version
        self._routes = sorted(
            (CompiledRoute(route) for route in snapshot.routes),
            key=lambda compiled: (-compiled.route.priority, -len(compiled.prefix)),
        )
        self.services = frozenset(route.service for route in snapshot.routes if route.service)

    def match(self, method: str, path: bytes) -> CompiledRoute:
        """Raises ErrorResponse: 404 when no prefix fits or the path is internal to the service, 405 when
        no fitting route takes the method."""
        allowed: set[str] = set()
        for compiled in self._routes:
            if compiled.fits(path):
                if method in compiled.methods:
                    if compiled.is_internal(path):
                        raise _not_found(path)
                    return compiled
                allowed |= compiled.methods
        if allowed:
            raise method_not_allowed(method, allowed)
        raise _not_found(path)


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

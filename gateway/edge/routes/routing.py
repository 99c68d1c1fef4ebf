"""Which route takes a request: the longest prefix among the highest priority that fits."""

from gateway.edge.error_responses import ErrorResponse
from gateway.edge.routes.snapshot import INNER, METHODS, Route, Snapshot

INNER_BYTES = frozenset(segment.encode() for segment in INNER)


class CompiledRoute:
    """A route with what the hot path needs of it, computed once per publication."""

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
        """The same bytes, with the prefix replaced by the service's own path."""
        return (self.service_path + path[len(self.prefix) :]) or b"/"

    def leads_inside(self, path: bytes) -> bool:
        """Whether the service would be asked for what is never for the outside, such as /metrics."""
        if self.route.service is None:
            return False
        return self.upstream_path(path).split(b"/", 2)[1] in INNER_BYTES


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
        """Raises ErrorResponse: 404 when no prefix fits or the path is an inner one of the service, 405
        when a prefix fits but takes no such method."""
        allowed: set[str] = set()
        for compiled in self._routes:
            if compiled.fits(path):
                if method in compiled.methods:
                    if compiled.leads_inside(path):
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

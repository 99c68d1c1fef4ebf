"""A route with values that are computed once per publication, to save time on each request."""

from collections.abc import Mapping, Sequence

from gateway.edge.cors import CorsPolicy
from gateway.edge.routes.hosts import nearness, plain
from gateway.edge.routes.route import INTERNAL, RESERVED, Cors, Route

INTERNAL_BYTES = frozenset(segment.encode() for segment in INTERNAL)
RESERVED_BYTES = frozenset(path.encode() for path in RESERVED)
ENDS = (b"", b"?", b"#")
BORDERS = (*ENDS, b"/")
NO_OTHER_ORIGIN = CorsPolicy(Cors())


class CompiledRoute:
    """``prefix`` is empty for a route that takes every path. ``cors`` are the rules that hold for it.

    ``siblings`` are the routes to the same service, whose paths an answer of it may name, too.
    ``forwarded_prefix`` is what clients write before the service's paths, empty where nothing is;
    ``prefix_field`` is the field line that tells the service.
    """

    __slots__ = (
        "_may_be_internal", "cors", "forwarded_prefix", "headers", "is_exact", "methods", "name", "prefix",
        "prefix_field", "prefix_slash", "route", "service_path", "siblings",
    )  # fmt: skip

    def __init__(self, route: Route, cors: CorsPolicy = NO_OTHER_ORIGIN) -> None:
        """``cors`` are the shared rules. The route's own replace them."""
        self.route = route
        self.name = route.name
        self.is_exact = route.match == "exact"
        self.prefix = b"" if route.prefix == "/" and not self.is_exact else route.prefix.encode()
        self.prefix_slash = self.prefix + b"/"
        self.service_path = route.service_path.encode() or (b"/" if self.is_exact else b"")
        self.methods = frozenset(route.methods)
        self.headers = tuple((one.name.encode(), one.value.encode()) for one in route.header_matches)
        self.cors = cors if route.cors is None else CorsPolicy(route.cors)
        self.siblings: Sequence[CompiledRoute] = ()
        self.forwarded_prefix = (
            self.prefix.removesuffix(self.service_path) if self.prefix.endswith(self.service_path) else b""
        )
        self.prefix_field = (
            b"x-forwarded-prefix: %b\r\n" % self.forwarded_prefix if self.forwarded_prefix else b""
        )
        first = route.service_path.strip("/").partition("/")[0]
        self._may_be_internal = route.service is not None and (
            not first or first in INTERNAL or not self.prefix
        )

    def fits(self, path: bytes) -> bool:
        if self.is_exact:
            return path == self.prefix
        return path == self.prefix or path.startswith(self.prefix_slash)

    def has_fields(self, fields: Mapping[bytes, bytes]) -> bool:
        return all(fields.get(name) == value for name, value in self.headers)

    def mismatch(self, method: str, path: bytes, host: bytes, fields: Mapping[bytes, bytes]) -> str | None:
        """The first part of a request that the route does not take, in words. None when it takes all."""
        if nearness(self.route.hosts, plain(host)) is None:
            return "its hosts are others"
        if not self.fits(path):
            return "its path is another"
        for name, value in self.headers:
            if fields.get(name) != value:
                return f"it asks for {name.decode()}: {value.decode()}"
        return None if method in self.methods else f"it does not take {method}"

    def covers_hosts_of(self, other: "CompiledRoute") -> bool:
        return not self.route.hosts or (
            bool(other.route.hosts) and set(other.route.hosts) <= set(self.route.hosts)
        )

    def upstream_path(self, path: bytes) -> bytes:
        """``path`` with the prefix replaced by the service's path."""
        return (self.service_path + path[len(self.prefix) :]) or b"/"

    def public_path(self, path: bytes) -> bytes:
        """A path of the service, with query and fragment, as clients reach it.

        A path outside of the service's routes stays. So does one that the service has made public itself,
        since it believes in ``X-Forwarded-Prefix``.
        """
        if self.forwarded_prefix and _begins(path, self.prefix, self.is_exact):
            return path
        for one in (self, *self.siblings):
            if _begins(path, one.service_path, one.is_exact) and one.covers_hosts_of(self):
                public = one.prefix + path[len(one.service_path) :]
                return public if public.startswith(b"/") else b"/" + public
        return path

    def public_cookie_path(self, path: bytes) -> bytes:
        """``/`` means the whole service: the route's prefix where this route is the whole service."""
        if path == b"/":
            return (not self.service_path and self.prefix) or path
        return self.public_path(path)

    def is_internal(self, path: bytes) -> bool:
        """Whether the path is an internal one of the service, such as /metrics, or one of the gateway."""
        if not self._may_be_internal:
            return False
        if not self.prefix and b"/" + path.split(b"/", 2)[1] in RESERVED_BYTES:
            return True
        return self.upstream_path(path).split(b"/", 2)[1] in INTERNAL_BYTES


def _begins(path: bytes, start: bytes, is_exact: bool) -> bool:
    """Whether ``path`` is ``start`` or, unless exact, below it. A query or fragment may follow."""
    return path.startswith(start) and path[len(start) : len(start) + 1] in (ENDS if is_exact else BORDERS)

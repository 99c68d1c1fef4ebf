"""Cross-origin rules (Fetch standard). The gateway alone sets these fields and drops those of services.

Where rules allow any other origin, each answer has ``Vary: Origin``, also one to a request without Origin:
a cache would else give the answer for one origin to another.
"""

from gateway.edge.exchange import Exchange, Headers
from gateway.edge.routes.route import Cors

VARY_ORIGIN = b"vary: Origin"
DEFAULT_PORTS = {"https": ":443", "http": ":80"}


class CorsPolicy:
    """``methods`` are the methods that pages of other origins may use."""

    def __init__(self, cors: Cors) -> None:
        self.methods = frozenset(cors.methods)
        self._headers = ", ".join(cors.headers).encode()
        self._max_age_s = str(cors.max_age_s).encode()
        self._any = "*" in cors.origins
        self.active = bool(cors.origins)
        allowed = [b"access-control-expose-headers: " + ", ".join(cors.exposed).encode(), VARY_ORIGIN]
        if cors.credentials:
            allowed.append(b"access-control-allow-credentials: true")
        self._by_origin = {
            origin: (b"\r\n".join([b"access-control-allow-origin: " + origin, *allowed]),)
            for origin in (as_sent(one).encode() for one in cors.origins)
        }
        self._others = self._by_origin.get(b"*", (VARY_ORIGIN,) if self.active else ())

    def lines(self, origin: bytes | None) -> tuple[bytes, ...]:
        """The field lines of an answer, joined to one. An origin that is not listed gets no permission."""
        return self._others if origin is None else self._by_origin.get(origin, self._others)

    def allows(self, origin: bytes) -> bool:
        return self._any or origin in self._by_origin

    def permissions(self, methods: tuple[str, ...]) -> Headers:
        """What a preflight for an allowed origin is told beside `lines`."""
        return [
            (b"access-control-allow-methods", ", ".join(methods).encode()),
            (b"access-control-allow-headers", self._headers),
            (b"access-control-max-age", self._max_age_s),
        ]


def as_sent(origin: str) -> str:
    """The origin as browsers send it (RFC 6454 §6): in lower case, without the port of its scheme."""
    scheme, separator, place = origin.lower().partition("://")
    return scheme + separator + place.removesuffix(DEFAULT_PORTS.get(scheme, ""))


def announce(exchange: Exchange, policy: CorsPolicy) -> None:
    """Set the cross-origin fields of the answer. Call it before anything else adds to its fields."""
    exchange.answer_lines = [*policy.lines(exchange.origin)]

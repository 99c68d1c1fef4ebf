"""Cross-origin rules (Fetch standard). The gateway alone sets these fields and drops those of services."""

from gateway.edge.exchange import Exchange
from gateway.edge.routes.snapshot import Cors

VARY_ORIGIN = (b"vary", b"Origin")


class CorsPolicy:
    def __init__(self, cors: Cors) -> None:
        self._origins = frozenset(origin.encode() for origin in cors.origins)
        self._any = "*" in cors.origins
        self._credentials = cors.credentials
        self._exposed = ", ".join(cors.exposed).encode()
        self._preflight = [
            (b"access-control-allow-methods", ", ".join(cors.methods).encode()),
            (b"access-control-allow-headers", ", ".join(cors.headers).encode()),
            (b"access-control-max-age", str(cors.max_age_s).encode()),
        ]

    @property
    def active(self) -> bool:
        return self._any or bool(self._origins)

    def is_preflight(self, exchange: Exchange) -> bool:
        return exchange.method == "OPTIONS" and b"access-control-request-method" in exchange.fields

    def fields(self, origin: bytes) -> list[tuple[bytes, bytes]]:
        """The fields of an answer to ``origin``. An origin that is not listed gets no permission."""
        if self._any:
            return [(b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", self._exposed)]
        if origin not in self._origins:
            return [VARY_ORIGIN]
        fields = [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", self._exposed),
            VARY_ORIGIN,
        ]
        if self._credentials:
            fields.append((b"access-control-allow-credentials", b"true"))
        return fields

    def preflight_fields(self, origin: bytes) -> list[tuple[bytes, bytes]]:
        """The further fields of a preflight's answer. An origin that is not listed gets none."""
        return list(self._preflight) if self._any or origin in self._origins else []

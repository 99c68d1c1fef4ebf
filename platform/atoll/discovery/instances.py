"""One instance of a service, as the registry describes it."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

DEFAULT_WEIGHT = 1


@dataclass(frozen=True)
class Instance:
    """``address`` is the IP address that the registry found for the host name at registration.
    ``is_last_known``: the instance is silent, like most of its service, and callers still try it.
    ``is_named``: the service is known by its ``host`` name, in Host and in its certificate. ``priority`` is
    that of an SRV record, the lowest first; None for instances of another origin."""

    id: str
    host: str
    port: int
    metadata: dict[str, Any] = field(default_factory=dict, compare=False)
    address: str | None = None
    scheme: str = "http"
    is_last_known: bool = field(default=False, compare=False)
    is_named: bool = field(default=False, compare=False)
    priority: int | None = field(default=None, compare=False)

    @property
    def url(self) -> str:
        """``http://10.0.0.7:8002``, without a trailing slash; IPv6 in brackets."""
        host = self.address or self.host
        return f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def authority(self) -> str:
        """The value of Host by the name: ``users.shop.svc:8000``, without the usual port of the scheme."""
        is_usual = self.port == (443 if self.scheme == "https" else 80)
        return self.host if is_usual else f"{self.host}:{self.port}"

    @property
    def weight(self) -> float:
        """Its share of the traffic relative to the other instances; 1 unless the metadata has a weight."""
        value = self.metadata.get("weight", DEFAULT_WEIGHT)
        return float(value) if isinstance(value, int | float) and value >= 0 else DEFAULT_WEIGHT

    @classmethod
    def from_wire(cls, value: dict[str, Any]) -> "Instance":
        """Read one element of ``GET /discover``. Unknown fields are ignored.

        Raises KeyError, TypeError or ValueError when the value describes no instance.
        """
        return cls(
            id=str(value["id"]),
            host=str(value["host"]),
            port=int(value["port"]),
            metadata=dict(value.get("metadata") or {}),
            address=value.get("address"),
            is_last_known=value.get("lastKnown") is True,
        )

    @classmethod
    def from_url(cls, url: str) -> "Instance":
        """The fixed address of a ``..._URL`` variable. Raises ImproperlyConfigured for anything
        but ``http[s]://host[:port]``."""
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
            raise ImproperlyConfigured(f"{url!r} is not http[s]://host[:port].")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(id=url, host=parts.hostname, port=port, scheme=parts.scheme)

    def to_wire(self) -> dict[str, Any]:
        wire: dict[str, Any] = {
            "id": self.id,
            "host": self.host,
            "port": self.port,
            "metadata": self.metadata,
        }
        return wire | {"address": self.address} if self.address else wire

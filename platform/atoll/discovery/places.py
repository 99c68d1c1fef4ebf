"""Where the instances of a service are: one setting, whose scheme says who is asked.

    http://users.example:8001          fixed: this address; the machine resolves its name at each connection
    dns://users.shop.svc:8000          each A and AAAA address of the name is an instance
    srv://_http._tcp.users.shop.svc    each target of the SRV records is one, by priority and weight
    registry                           the registry

``https://``, ``dns+https://`` and ``srv+https://`` are the same with TLS. USER_SERVICE_URL is the setting of
``user-service``; DISCOVERY is that of all others, with ``{service}`` for the name of the service
(docs/decisions/0118).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from atoll import conf
from atoll.conf import options
from atoll.discovery.instances import Instance

REGISTRY = "registry"
SERVICE = "{service}"
Kind = Literal["fixed", "dns", "srv", "registry"]
SCHEMES: dict[str, tuple[Kind, str]] = {
    "http": ("fixed", "http"),
    "https": ("fixed", "https"),
    "dns": ("dns", "http"),
    "dns+https": ("dns", "https"),
    "srv": ("srv", "http"),
    "srv+https": ("srv", "https"),
}
FORMS = "http://host:port, dns://name:port, srv://_http._tcp.name or registry"
MAX_PLACES = 256


@dataclass(frozen=True)
class Place:
    """``scheme`` is that of the requests. ``port`` is 0 where the SRV records give it."""

    kind: Kind
    host: str = ""
    port: int = 0
    scheme: str = "http"

    def instance(self) -> Instance:
        """The one instance of a fixed place."""
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return Instance(f"{self.scheme}://{shown}:{self.port}", self.host, self.port, scheme=self.scheme)


def place_of(service: str) -> Place:
    """The place that the settings name. Raises ImproperlyConfigured, with the setting and its value."""
    name, value = conf.service_variable(service), conf.service_url(service)
    if value is None:
        name, value = options.DISCOVERY.variable, options.DISCOVERY.value() or REGISTRY
        value = value.replace(SERVICE, service)
    return read_place(name, value)


@lru_cache(maxsize=MAX_PLACES)
def read_place(name: str, value: str) -> Place:
    """``name`` is the setting, for the error. Raises ImproperlyConfigured."""
    if value == REGISTRY:
        return Place("registry")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={value!r} is no address: {error}.") from None
    kind, scheme = SCHEMES.get(parts.scheme, (None, ""))
    is_bare = not (parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)
    if kind is None or not parts.hostname or not is_bare:
        raise ImproperlyConfigured(f"{name}={value!r} must be one of {FORMS}.")
    if kind == "srv" and port is not None:
        raise ImproperlyConfigured(f"{name}={value!r} has a port, and SRV records give the ports.")
    usual = 443 if scheme == "https" else 80
    return Place(kind, parts.hostname, 0 if kind == "srv" else port or usual, scheme)

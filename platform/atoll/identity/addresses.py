"""The address of the client of a request, behind trusted proxies.

A service believes ``X-Forwarded-For`` only of a connection from a network in TRUSTED_PROXIES (CIDRs
separated by commas; loopback when it is not set).

Behind a gateway on another machine TRUSTED_PROXIES must name the gateway's network; otherwise all
clients count as one address. On a shared machine the default lets local programs choose the address
by which they are limited.
"""

from functools import lru_cache

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from atoll import addresses, conf

LOOPBACK = "127.0.0.0/8,::1/128"


def client_address(request: HttpRequest) -> str:
    return walk(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def walk(peer: str, forwarded_for: str) -> str:
    """The nearest address that no trusted proxy owns; ``0.0.0.0`` for a peer without an address."""
    address = addresses.read(peer)
    if address is None:
        return addresses.NO_ADDRESS
    trusted = _networks(conf.variable("TRUSTED_PROXIES") or LOOPBACK)
    return str(addresses.nearest_untrusted(address, forwarded_for, trusted))


@lru_cache(maxsize=8)
def _networks(cidrs: str) -> tuple[addresses.Network, ...]:
    try:
        return addresses.networks(cidrs)
    except ValueError as error:
        raise ImproperlyConfigured(f"TRUSTED_PROXIES={cidrs!r}: {error}") from None

"""Whose address a request comes from, when proxies stand in between.

``X-Forwarded-For`` is believed only when the connection itself comes from a
network in TRUSTED_PROXIES (CIDRs separated by commas; loopback when it is not
set). It is then walked from the right: each trusted hop vouches for the one
before it, and the first hop that is not trusted, or cannot be read, ends the
walk. What stands further left is the client's own claim and is never used.

Behind a gateway on another machine TRUSTED_PROXIES must name the gateway's
network; otherwise all clients count as one address. On a shared machine the
default lets local programs choose the address they are limited by.
"""

import ipaddress
from functools import lru_cache

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from atoll import conf

LOOPBACK = "127.0.0.0/8,::1/128"
MAX_HOPS = 16
IPV4 = 4
IPV6_BUCKET_BITS = 64

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def client_address(request: HttpRequest) -> str:
    """The nearest address that no trusted proxy owns; the connection's own if there is no better."""
    return walk(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))


def walk(peer: str, forwarded_for: str) -> str:
    nearest = _read(peer)
    if nearest is None:
        return "0.0.0.0"  # noqa: S104  # a connection without an address, such as a Unix socket's
    hops = forwarded_for.split(",")[-MAX_HOPS:] if forwarded_for else []
    while hops and _trusted(nearest):
        earlier = _read(hops.pop())
        if earlier is None:
            break
        nearest = earlier
    return str(nearest)


def bucket(address: str) -> str:
    """What limits count by: an IPv4 address itself, of IPv6 its /64 (``2001:db8:0:1::/64``).

    One customer is given a whole /64 and may use any address of it. Text that is no
    address counts as one bucket, ``0.0.0.0``.
    """
    read = _read(address)
    if read is None:
        return "0.0.0.0"  # noqa: S104
    if read.version == IPV4:
        return str(read)
    return str(ipaddress.ip_network((int(read), IPV6_BUCKET_BITS), strict=False))


def _read(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _trusted(address: Address) -> bool:
    return any(address in network for network in _networks(conf.variable("TRUSTED_PROXIES") or LOOPBACK))


@lru_cache(maxsize=8)
def _networks(cidrs: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    try:
        return tuple(ipaddress.ip_network(cidr.strip()) for cidr in cidrs.split(",") if cidr.strip())
    except ValueError as error:
        raise ImproperlyConfigured(f"TRUSTED_PROXIES={cidrs!r}: {error}") from None

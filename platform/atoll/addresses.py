"""IP addresses of clients: how to read them, find them behind proxies, and count them.

A proxy adds the address of its own client to the right end of ``X-Forwarded-For``. So the
header is read from the right: each trusted proxy vouches for the address before it. Addresses further
left than the first untrusted one are the client's own claim.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_HOPS = 16
IPV6_BUCKET_BITS = 64
NO_ADDRESS = "0.0.0.0"  # noqa: S104
"""Stands for text that is no address, such as the peer of a Unix socket."""


def networks(cidrs: str) -> tuple[Network, ...]:
    """Raises ValueError naming the part that is no network."""
    return tuple(ipaddress.ip_network(cidr.strip()) for cidr in cidrs.split(",") if cidr.strip())


def read(text: str) -> Address | None:
    """None for text that is no address. An IPv4 address inside of IPv6 comes out as IPv4."""
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def within(address: Address | None, allowed: Iterable[Network]) -> bool:
    return address is not None and any(address in network for network in allowed)


def nearest_untrusted(peer: Address, forwarded_for: str, trusted: tuple[Network, ...]) -> Address:
    """The address of the client in front of the trusted proxies; the last trusted one if none is readable."""
    nearest = peer
    hops = forwarded_for.split(",")[-MAX_HOPS:] if forwarded_for else []
    while hops and within(nearest, trusted):
        earlier = read(hops.pop())
        if earlier is None:
            break
        nearest = earlier
    return nearest


@lru_cache(maxsize=4096)
def bucket(address: str) -> str:
    """The key of a rate limit: an IPv4 address itself, of IPv6 its /64 (``2001:db8:0:1::/64``).

    A provider gives one customer a whole /64. Text that is no address counts as NO_ADDRESS.
    """
    parsed = read(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, IPV6_BUCKET_BITS), strict=False))
    return str(parsed) if parsed is not None else NO_ADDRESS

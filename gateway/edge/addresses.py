"""Where a request comes from, as the edge sees it.

Unlike a service, the edge trusts no proxy unless TRUSTED_PROXIES names it: it is
the first thing a client meets.
"""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_HOPS = 16
IPV6_HOME_BITS = 64


def networks(cidrs: str) -> tuple[Network, ...]:
    """Raises ValueError naming the part that is no network."""
    return tuple(ipaddress.ip_network(cidr.strip()) for cidr in cidrs.split(",") if cidr.strip())


def read(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def within(address: Address | None, allowed: Iterable[Network]) -> bool:
    return address is not None and any(address in network for network in allowed)


def client(peer: str, forwarded_for: bytes | None, trusted: tuple[Network, ...]) -> str:
    """The nearest address that no trusted proxy owns, walking X-Forwarded-For from the right."""
    if not trusted or not forwarded_for:
        return peer
    nearest = read(peer)
    hops = forwarded_for.decode("latin-1").split(",")[-MAX_HOPS:]
    while hops and within(nearest, trusted):
        earlier = read(hops.pop())
        if earlier is None:
            break
        nearest = earlier
    return str(nearest) if nearest is not None else peer


@lru_cache(maxsize=4096)
def bucket(address: str) -> str:
    """What a limit counts: an IPv4 address, or the /64 that one IPv6 household owns."""
    parsed = read(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, IPV6_HOME_BITS), strict=False))
    return str(parsed) if parsed is not None else address

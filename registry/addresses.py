"""Decides which addresses may be registered.

A service with a credential must not make the gateway call a cloud's metadata service, a database
port, or a host name that changes its address.
"""

import ipaddress
import re
import socket
from dataclasses import dataclass

from django.conf import settings

from atoll.errors import InvalidInput

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAME = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
# 2130706433, 0x7f000001, 0177.1: old forms of an address that resolvers still accept.
LOOKS_NUMERIC = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)")
MAX_NAME_CHARACTERS = 253
HIGHEST_PORT = 65535

# Refused even if REGISTRY_ALLOWED_NETWORKS has them: metadata services of clouds, and IPv6 addresses
# that carry an IPv4 address.
NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "fd00:ec2::/32",  # metadata, time and names at Amazon
        "fd20:ce::/32",  # metadata at Google
        "100.100.100.200/32",  # at Alibaba
        "168.63.129.16/32",  # at Azure
        "192.0.0.0/24",  # at Oracle; assigned to protocols
        "::/96",  # IPv4-compatible, but ::1 is loopback
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "2002::/16",  # 6to4
        "2001::/32",  # Teredo
        "fec0::/10",  # site-local, withdrawn
    )
)
# The last 32 bits of an IPv6 address may be an IPv4 address (translators, ISATAP).
LINK_LOCAL = ipaddress.ip_network("169.254.0.0/16")
LOW_32_BITS = 0xFFFFFFFF


@dataclass(frozen=True)
class ResolvedHost:
    """``host`` as registered, and the ``address`` that it had then."""

    host: str
    address: str


def resolve_host(host: str) -> ResolvedHost:
    """Check and resolve a host, once. Raises InvalidInput without the address of a name."""
    text = host.strip().lower().rstrip(".")
    literal = _literal(text)
    if literal is not None:
        _check(literal, host)
        return ResolvedHost(str(literal), str(literal))
    name = _name(text, host)
    addresses = _resolve(name)
    for address in addresses:
        _check(address, host)
    return ResolvedHost(name, str(addresses[0]))


def check_loopback(where: ResolvedHost, peer: str, server: str) -> None:
    """Raises InvalidInput for a loopback address that another machine registers, since callers would
    reach themselves. ``server`` is the address of ours that the peer used."""
    is_here = peer == server or (peer_address := _literal(peer)) is None or peer_address.is_loopback
    if ipaddress.ip_address(where.address).is_loopback and not is_here:
        raise InvalidInput(
            f"host {where.host[:80]!r} is a loopback address, and you are another machine ({peer}): register "
            "an address at which others reach you.",
            code="loopback_from_afar",
        )


def check_port(port: int, *, is_worker: bool) -> None:
    """Raises InvalidInput. Port 0 ("listens nowhere") is for workers only."""
    if is_worker and port == 0:
        return
    low = settings.REGISTRY_LOWEST_PORT
    if not low <= port <= HIGHEST_PORT:
        raise InvalidInput(
            f"port must be between {low} (REGISTRY_LOWEST_PORT) and {HIGHEST_PORT}.", code="invalid_port"
        )
    if port in settings.REGISTRY_REFUSED_PORTS:
        raise InvalidInput(
            f"port {port} belongs to a database, a broker or a system's own service.", code="refused_port"
        )


def _literal(text: str) -> Address | None:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            return None
        return address.ipv4_mapped or address
    return address


def _name(text: str, host: str) -> str:
    try:
        name = text.encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    if len(name) > MAX_NAME_CHARACTERS or not NAME.fullmatch(name) or LOOKS_NUMERIC.fullmatch(name):
        raise InvalidInput(
            f"host {host[:80]!r} is neither an IP address nor a host name; give no scheme, port or path.",
            code="invalid_host",
        )
    if not any(_is_within(name, allowed) for allowed in settings.REGISTRY_ALLOWED_NAMES):
        raise InvalidInput(
            f"host name {name} is not among REGISTRY_ALLOWED_NAMES; register the IP address, or allow it.",
            code="refused_host",
        )
    return name


def _is_within(name: str, allowed: str) -> bool:
    return name.endswith(allowed) if allowed.startswith(".") else name == allowed


def _resolve(name: str) -> list[Address]:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise InvalidInput(f"host name {name} has no address.", code="unknown_host") from error
    addresses = [_literal(str(entry[4][0])) for entry in found]
    # IPv4 first: the address a service binds unless told otherwise.
    return sorted((address for address in addresses if address), key=lambda address: address.version)


def _check(address: Address, host: str) -> None:
    is_never = (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or (not address.is_loopback and (address.is_reserved or _is_never(address)))
    )
    if is_never or not any(address in network for network in settings.REGISTRY_ALLOWED_NETWORKS):
        raise InvalidInput(
            f"host {host[:80]!r} is outside the networks this registry accepts (REGISTRY_ALLOWED_NETWORKS).",
            code="refused_host",
        )


def _is_never(address: Address) -> bool:
    if any(address in network for network in NEVER):
        return True
    is_v6 = isinstance(address, ipaddress.IPv6Address)
    return is_v6 and ipaddress.IPv4Address(int(address) & LOW_32_BITS) in LINK_LOCAL

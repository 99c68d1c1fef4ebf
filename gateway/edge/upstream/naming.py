"""The addresses of a service that has a URL instead of registered instances."""

import asyncio
import ipaddress
import socket
from dataclasses import replace

from atoll.discovery.instances import Instance

RESOLVE_EVERY_S = 5.0
RESOLVE_TIMEOUT_S = 4.0


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def instances_of(named: Instance) -> list[Instance]:
    """One instance for each address that the host name has now, never none.

    Raises OSError or ValueError when the name cannot be resolved.
    """
    addresses = [named.host] if is_address(named.host) else await lookup(named.host, named.port)
    if not addresses:
        raise OSError(f"{named.host} has no address")
    return [replace(named, id=_id(address, named.port), address=address) for address in addresses]


async def lookup(host: str, port: int) -> list[str]:
    """The addresses of a name, sorted. The machine's resolver decides which, and may remember them."""
    async with asyncio.timeout(RESOLVE_TIMEOUT_S):
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
    return sorted({str(address[0]) for *_, address in found})


def _id(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

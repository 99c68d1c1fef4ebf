"""The addresses of a service that has an address in place of registered instances."""

import asyncio
import ipaddress
import socket
from dataclasses import replace

from atoll.client.balancing import of_lowest_priority
from atoll.discovery.instances import Instance
from atoll.discovery.places import Place

RESOLVE_EVERY_S = 5.0
RESOLVE_TIMEOUT_S = 4.0


def is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def find(place: Place) -> tuple[list[Instance], float]:
    """The instances at the place now, and the seconds for which they hold.

    Of SRV records those of the lowest priority. Raises OSError or ValueError when nobody can tell; where DNS
    tells that there is nothing, the list is empty.
    """
    if place.kind == "fixed":
        return await instances_of(place.instance()), RESOLVE_EVERY_S
    # An edge process that follows no such name does not load the resolver.
    from atoll.discovery import dns_lookup
    from atoll.discovery.followed_names import EMPTY_AGAIN_S, held_s

    try:
        found = await asyncio.to_thread(dns_lookup.look_up, place)
    except dns_lookup.NothingThere:
        return [], EMPTY_AGAIN_S
    except dns_lookup.NoAnswer as error:
        raise OSError(str(error)) from error
    return list(of_lowest_priority(found.instances)), held_s(found)


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

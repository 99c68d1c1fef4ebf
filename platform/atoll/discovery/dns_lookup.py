"""The instances of a service by DNS: A, AAAA and SRV records (RFC 2782).

The servers are those of the machine (``/etc/resolv.conf``, with its search list), or those that DNS_SERVERS
names: ``10.0.0.10,[fd00::10]:5353``. The file of host names (``/etc/hosts``) does not count here.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import dns.exception
import dns.flags
import dns.name
import dns.nameserver
import dns.rdataclass
import dns.rdatatype
import dns.resolver
from django.core.exceptions import ImproperlyConfigured

from atoll import conf
from atoll.discovery.instances import Instance
from atoll.discovery.places import Place

# A request may wait for the first look-up, so it is shorter than the usual time-out of a request.
LOOK_TIMEOUT_S = 2.0
DNS_PORT = 53
# The share of a record with weight 0 beside others: RFC 2782 wants "a very small chance".
SMALL_SHARE = 0.01
ADDRESSES = (dns.rdatatype.A, dns.rdatatype.AAAA)


class NothingThere(Exception):
    """DNS answers that there is no such name, or that the name has no address."""


class NoAnswer(Exception):
    """No server of DNS gives an answer now."""


@dataclass(frozen=True)
class Found:
    """``ttl_s``: for so long the answer may be used, by the shortest of its records."""

    instances: tuple[Instance, ...]
    ttl_s: float


class Lookup:
    """One look-up of a place. ``resolver`` is from `resolver_of`."""

    def __init__(self, resolver: dns.resolver.Resolver) -> None:
        self._resolver = resolver
        self._ends_at = time.monotonic() + LOOK_TIMEOUT_S
        self._ttls_s: list[float] = []

    def find(self, place: Place) -> Found:
        """Raises NothingThere and NoAnswer."""
        instances = self._by_srv(place) if place.kind == "srv" else self._by_name(place)
        return Found(tuple(sorted(instances, key=lambda one: (one.priority or 0, one.id))), min(self._ttls_s))

    def _by_name(self, place: Place) -> list[Instance]:
        found = self._addresses(place.host)
        if not found:
            raise NothingThere(f"{place.host} has no address in DNS")
        return [_instance(place.host, address, place.port, place.scheme) for address in found]

    def _by_srv(self, place: Place) -> list[Instance]:
        answer = self._ask(place.host, dns.rdatatype.SRV)
        records = list(answer.rrset or ())
        if not records:
            raise NothingThere(f"{place.host} has no SRV record in DNS")
        instances: list[Instance] = []
        for record in records:
            if record.target == dns.name.root:
                continue  # "the service is decidedly not available at this domain"
            found = self._added(answer, record.target) or self._target(record.target)
            share = _share(record, records) / max(len(found), 1)
            host = record.target.to_text(omit_final_dot=True)
            instances += [
                _instance(
                    host,
                    address,
                    record.port,
                    place.scheme,
                    metadata={"weight": share},
                    priority=record.priority,
                )
                for address in found
            ]
        if not instances:
            raise NothingThere(f"no target of {place.host} has an address in DNS")
        return instances

    def _added(self, answer: Any, target: dns.name.Name) -> list[str]:
        """The addresses that the server has sent along with SRV records."""
        rows = [row for row in answer.response.additional if row.name == target and row.rdtype in ADDRESSES]
        self._ttls_s += [float(row.ttl) for row in rows]
        return sorted(record.address for row in rows for record in row)

    def _target(self, target: dns.name.Name) -> list[str]:
        try:
            return self._addresses(target)
        except NothingThere:
            return []

    def _addresses(self, name: str | dns.name.Name) -> list[str]:
        """Raises NothingThere for a name that does not exist. IPv6 that cannot be asked for is left out."""
        found = self._texts(name, dns.rdatatype.A)
        try:
            return sorted(found + self._texts(name, dns.rdatatype.AAAA))
        except (NothingThere, NoAnswer):
            if not found:
                raise
            return sorted(found)

    def _texts(self, name: str | dns.name.Name, kind: dns.rdatatype.RdataType) -> list[str]:
        return [record.address for record in self._ask(name, kind).rrset or ()]

    def _ask(self, name: str | dns.name.Name, kind: dns.rdatatype.RdataType) -> Any:
        left_s = max(0.01, self._ends_at - time.monotonic())
        try:
            answer = self._resolver.resolve(
                name, kind, lifetime=left_s, search=True, raise_on_no_answer=False
            )
        except dns.resolver.NXDOMAIN:
            raise NothingThere(f"DNS has no name {name}") from None
        except (dns.exception.DNSException, OSError) as error:
            raise NoAnswer(f"DNS gives no answer for {name}: {error}") from error
        if answer.rrset is not None:
            self._ttls_s.append(float(answer.chaining_result.minimum_ttl))
        return answer


def _share(record: Any, records: Iterable[Any]) -> float:
    """The weight of a record among those of its priority; alike where none has a weight."""
    total = sum(one.weight for one in records if one.priority == record.priority)
    if not total:
        return 1.0
    return float(record.weight or total * SMALL_SHARE)


def _instance(host: str, address: str, port: int, scheme: str, **more: Any) -> Instance:
    shown = f"[{address}]" if ":" in address else address
    return Instance(
        f"{shown}:{port}", host.rstrip("."), port, address=address, scheme=scheme, is_named=True, **more
    )


def resolver_of(servers: str | None) -> dns.resolver.Resolver:
    """``servers`` is the value of DNS_SERVERS. Raises ImproperlyConfigured for one that is no address."""
    try:
        resolver = dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        resolver = dns.resolver.Resolver(configure=False)
    if servers:
        resolver.nameservers = list(_servers(servers))
    return resolver


def _servers(value: str) -> Iterator[dns.nameserver.Nameserver]:
    for part in value.split(","):
        try:
            text = part.strip()
            # An IPv6 address without a port needs no brackets.
            named = text if "[" in text or text.count(":") < 2 else f"[{text}]"
            parts = urlsplit(f"//{named}")
            host, port = parts.hostname or "", parts.port or DNS_PORT
            yield dns.nameserver.Do53Nameserver(str(ip_address(host)), port)
        except ValueError:
            raise ImproperlyConfigured(
                f"DNS_SERVERS={value!r}: {part.strip()!r} is no IP address, with or without a port."
            ) from None


def look_up(place: Place) -> Found:
    """Raises NothingThere, NoAnswer and ImproperlyConfigured. Blocks for LOOK_TIMEOUT_S at most."""
    return Lookup(resolver_of(conf.variable("DNS_SERVERS"))).find(place)


LookUp = Callable[[Place], Found]

"""Fetches JSON from an address that an operator typed, without a way into our own network.

Every address of the host name must be public, or in the configured networks, and the connection goes to
the address that was checked. There are no redirects and no proxies, and answers are bounded.
"""

import ipaddress
import os
import ssl
import time
from dataclasses import dataclass
from socket import SOCK_STREAM, getaddrinfo
from typing import Any
from urllib.parse import SplitResult, urlsplit

import certifi
import urllib3

from atoll import wire
from atoll.addresses import Address, Network, read, within

CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 3.0
TOTAL_TIMEOUT_S = 6.0
MAX_BYTES = 262_144
PIECE = 16_384
NAT64 = ipaddress.ip_network("64:ff9b::/96")
PORTS = {"https": 443, "http": 80}


class NotFetched(ValueError):
    """The text says what went wrong, for an operator."""


@dataclass(frozen=True)
class Rules:
    """``networks`` are allowed although they are not public. ``allow_http`` is for development. ``remedy``
    ends the refusal of an address."""

    networks: tuple[Network, ...] = ()
    allow_http: bool = False
    remedy: str = "GATEWAY_ISSUER_NETWORKS can allow its network."


def fetch_json(url: str, rules: Rules) -> Any:
    """The JSON document at the address. It blocks for TOTAL_TIMEOUT_S and a few seconds more at most.

    Raises NotFetched.
    """
    parts = _split(url, rules)
    address = _resolve(parts, rules)
    try:
        body = _get(parts, address)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        raise NotFetched(f"{url} cannot be fetched: {error}.") from error
    try:
        return wire.loads(body)
    except wire.WireError as error:
        raise NotFetched(f"{url} did not answer with JSON: {error}") from error


def _split(url: str, rules: Rules) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and rules.allow_http):
        raise NotFetched(f"{url} must begin with https://.")
    if not parts.hostname or parts.username is not None or parts.fragment:
        raise NotFetched(f"{url} is no address of a document.")
    return parts


def _resolve(parts: SplitResult, rules: Rules) -> Address:
    """The first address of the host. Raises NotFetched when one of them is not allowed."""
    host = parts.hostname or ""
    try:
        found = getaddrinfo(host, parts.port or PORTS[parts.scheme], type=SOCK_STREAM)
    except (OSError, UnicodeError, ValueError) as error:
        raise NotFetched(f"The host {host} cannot be found: {error}.") from error
    addresses = [address for info in found if (address := read(str(info[4][0]).partition("%")[0]))]
    for address in addresses:
        if not is_allowed(address, rules):
            raise NotFetched(f"{host} is at {address}, which is not public. {rules.remedy}")
    if not addresses:
        raise NotFetched(f"The host {host} has no address.")
    return addresses[0]


def is_allowed(address: Address, rules: Rules) -> bool:
    if within(address, rules.networks):
        return True
    if isinstance(address, ipaddress.IPv6Address) and (
        address.sixtofour or address.teredo or address in NAT64
    ):
        return False  # an IPv4 address inside of it could be any
    return address.is_global and not address.is_multicast


def _get(parts: SplitResult, address: Address) -> bytes:
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    fields = {"Host": parts.netloc, "Accept": "application/json", "User-Agent": "atoll"}
    deadline = time.monotonic() + TOTAL_TIMEOUT_S
    with _pool(parts.scheme, str(address), host, port) as pool:
        response = pool.urlopen("GET", target, headers=fields, redirect=False, preload_content=False)
        try:
            if response.status != 200:
                raise ValueError(f"it answered {response.status}")
            return _read(response, deadline)
        finally:
            response.close()


def _pool(scheme: str, address: str, host: str, port: int) -> urllib3.HTTPConnectionPool:
    timeout = urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=READ_TIMEOUT_S)
    if scheme == "http":
        return urllib3.HTTPConnectionPool(address, port, timeout=timeout, retries=False)
    context = ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or certifi.where())
    return urllib3.HTTPSConnectionPool(
        address,
        port,
        timeout=timeout,
        retries=False,
        ssl_context=context,
        server_hostname=host,
        assert_hostname=host,
    )


def _read(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    body = b""
    while piece := response.read1(PIECE, decode_content=False):
        body += piece
        if len(body) > MAX_BYTES:
            raise ValueError(f"it is longer than {MAX_BYTES} bytes")
        if time.monotonic() > deadline:
            raise ValueError(f"it took longer than {TOTAL_TIMEOUT_S:g} s")
    return body

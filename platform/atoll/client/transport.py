"""HTTP with pooled connections; one request is sent once.

It follows no redirects (a service that redirects makes a mistake), keeps no cookies, reads neither proxies
nor netrc from the environment, and retries nothing. urllib3 does the work directly: a session of requests
around it costs three times as much (docs/decisions/0070).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationParseError,
    NewConnectionError,
    ReadTimeoutError,
)
from urllib3.util import parse_url

from atoll.client.failures import NoReply, NotSent, TimedOut
from atoll.client.options import Params

CONNECT_TIMEOUT_S = 0.5
# `serve` closes an idle connection after 30 s. A client must stop to use it earlier, or a request
# could meet the end of the connection.
IDLE_S = 20.0
POOLS = 32
CONNECTIONS_PER_INSTANCE = 32
MAX_ANSWER_BYTES = 16 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
SCHEME_CHARS = len("https://")


@dataclass(frozen=True)
class Raw:
    status: int
    headers: Mapping[str, str]
    content: bytes


class _ExpiringIdle:
    """A pool that closes a connection instead of using it when it was idle for more than `IDLE_S`."""

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]
        if time.monotonic() - getattr(connection, "idle_since", float("inf")) > IDLE_S:
            connection.close()
        return connection

    def _put_conn(self, connection: Any) -> None:
        if connection is not None:
            connection.idle_since = time.monotonic()
        super()._put_conn(connection)  # type: ignore[misc]


class _Pool(_ExpiringIdle, HTTPConnectionPool):
    pass


class _TLSPool(_ExpiringIdle, HTTPSConnectionPool):
    pass


class Transport:
    """Thread-safe. Every failure of the network becomes NotSent, NoReply or TimedOut."""

    def __init__(self) -> None:
        self._pool_of = lru_cache(maxsize=POOLS)(_open_pool)

    def close(self) -> None:
        """Forget the pools, which closes their idle connections."""
        self._pool_of.cache_clear()

    def send(
        self,
        method: str,
        url: str,
        *,
        params: Params | None,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
    ) -> Raw:
        """``timeout_s`` is for connecting, waiting and reading together. Over TLS the certificate must be
        for the name in ``Host`` where that is among the headers, else for the host of the URL."""
        end = time.monotonic() + timeout_s
        server, target = _split(url)
        try:
            reply = self._pool_of(server, headers.get("Host")).urlopen(
                method,
                target + _query(params, target),
                body=body,
                headers=headers,
                timeout=Timeout(connect=min(CONNECT_TIMEOUT_S, timeout_s), total=timeout_s),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            return Raw(reply.status, reply.headers, _read(reply, end))
        except (NewConnectionError, ConnectTimeoutError, LocationParseError) as error:
            raise NotSent(_reason(error)) from error
        except ReadTimeoutError as error:
            raise TimedOut(_reason(error)) from error
        except (HTTPError, ValueError) as error:
            raise NoReply(_reason(error)) from error


def _open_pool(server: str, authority: str | None) -> HTTPConnectionPool:
    parts = parse_url(server)
    if parts.scheme == "https":
        name = parse_url(f"//{authority}").host if authority else None
        return _TLSPool(
            parts.host or "",
            parts.port,
            maxsize=CONNECTIONS_PER_INSTANCE,
            cert_reqs="CERT_REQUIRED",
            ca_certs=DEFAULT_CA_BUNDLE_PATH,
            server_hostname=name,
            assert_hostname=name,
        )
    return _Pool(parts.host or "", parts.port, maxsize=CONNECTIONS_PER_INSTANCE)


def _split(url: str) -> tuple[str, str]:
    """``http://host:port`` and the rest."""
    start = url.find("/", SCHEME_CHARS)
    return (url, "/") if start < 0 else (url[:start], url[start:])


def _query(params: Params | None, target: str) -> str:
    """A value may be a list; None leaves a parameter out."""
    given = {name: value for name, value in (params or {}).items() if value is not None}
    if not given:
        return ""
    return ("&" if "?" in target else "?") + urlencode(given, doseq=True)


def _read(reply: BaseHTTPResponse, end: float) -> bytes:
    content = bytearray()
    try:
        for chunk in reply.stream(CHUNK_BYTES, decode_content=True):
            content += chunk
            if len(content) > MAX_ANSWER_BYTES:
                raise NoReply(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
            if time.monotonic() > end:
                raise TimedOut("the answer came too slowly")
    except BaseException:
        # A connection with an unread rest serves no other request.
        reply.close()
        raise
    finally:
        reply.release_conn()
    return bytes(content)


def _reason(error: Exception) -> str:
    return type(error).__name__

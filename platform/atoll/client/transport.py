"""HTTP with pooled connections; one request is sent once.

The session follows no redirects (a service that redirects makes a mistake), keeps no cookies, reads
neither proxies nor netrc from the environment, and retries nothing.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout

from atoll.client.failures import NoReply, NotSent, TimedOut

CONNECT_TIMEOUT_S = 0.5
# `serve` closes an idle connection after 30 s. A client must stop to use it earlier, or a request
# could meet the end of the connection.
IDLE_S = 20.0
POOLS = 32
CONNECTIONS_PER_INSTANCE = 32
MAX_ANSWER_BYTES = 16 * 1024 * 1024
CHUNK_BYTES = 64 * 1024


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


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}


class Transport:
    """Thread-safe. Every failure of the network becomes NotSent, NoReply or TimedOut."""

    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.clear()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = _Adapter(pool_connections=POOLS, pool_maxsize=CONNECTIONS_PER_INSTANCE, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def close(self) -> None:
        self._session.close()

    def send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout_s: float,
    ) -> Raw:
        """``timeout_s`` is for connecting, waiting and reading together."""
        end = time.monotonic() + timeout_s
        timeout = Timeout(connect=min(CONNECT_TIMEOUT_S, timeout_s), total=timeout_s)
        try:
            reply = self._session.request(
                method,
                url,
                params=params,
                headers=dict(headers),
                data=body,
                timeout=timeout,  # type: ignore[arg-type]  # requests passes urllib3's own through
                allow_redirects=False,
                stream=True,
            )
            with reply:
                return Raw(reply.status_code, reply.headers, _read(reply, end))
        except (requests.ConnectTimeout, requests.exceptions.InvalidURL) as error:
            raise NotSent(_reason(error)) from error
        except requests.Timeout as error:
            raise TimedOut(_reason(error)) from error
        except requests.ConnectionError as error:
            raise (NotSent if _never_connected(error) else NoReply)(_reason(error)) from error
        except requests.RequestException as error:
            raise NoReply(_reason(error)) from error


def _read(reply: requests.Response, end: float) -> bytes:
    content = bytearray()
    for chunk in reply.iter_content(CHUNK_BYTES):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise NoReply(f"the answer is larger than {MAX_ANSWER_BYTES} bytes")
        if time.monotonic() > end:
            raise TimedOut("the answer came too slowly")
    return bytes(content)


def _never_connected(error: requests.ConnectionError) -> bool:
    cause = error.args[0] if error.args else None
    return type(getattr(cause, "reason", cause)).__name__ in {"NewConnectionError", "NameResolutionError"}


def _reason(error: Exception) -> str:
    return type(error).__name__

"""Really sends a request through the gateway, for "try it".

The address is that of this gateway, whatever was typed: only the path and the query are taken. What the
gateway keeps for networks of operators is refused, since this process may be in such a network.
"""

import http.client
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from atoll import conf
from gateway.edge.headers import OUR_NAMESPACES, OURS_ALONE
from gateway.edge.routes.route import RESERVED
from gateway.explain.asked import Asked, NotARequest

TIMEOUT_S = 15.0
MAX_SHOWN_BYTES = 65_536
WITH_BODY = frozenset(("POST", "PUT", "PATCH"))
OPEN = ("/health",)


@dataclass(frozen=True)
class Tried:
    """What came back. ``problem`` is empty when there was an answer."""

    took_ms: float
    status: int = 0
    reason: str = ""
    fields: tuple[str, ...] = ()
    body: str = ""
    is_cut: bool = False
    problem: str = ""
    correlation_id: str = ""


def send(asked: Asked, body: bytes) -> Tried:
    """Raises NotARequest for what is not tried."""
    _check(asked)
    gateway = urlsplit(conf.gateway_url())
    kind = http.client.HTTPSConnection if gateway.scheme == "https" else http.client.HTTPConnection
    connection = kind(gateway.hostname or "127.0.0.1", gateway.port, timeout=TIMEOUT_S)
    began = time.perf_counter()
    try:
        _write(connection, asked, body)
        answer = connection.getresponse()
        content = answer.read(MAX_SHOWN_BYTES + 1)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Tried(_ms(began), problem=f"No answer: {type(error).__name__} {error}")
    finally:
        connection.close()
    return Tried(
        took_ms=_ms(began),
        status=answer.status,
        reason=answer.reason,
        fields=tuple(f"{name}: {value}" for name, value in answer.getheaders()),
        body=content[:MAX_SHOWN_BYTES].decode("utf-8", "replace"),
        is_cut=len(content) > MAX_SHOWN_BYTES,
        correlation_id=answer.getheader("x-correlation-id", ""),
    )


def _check(asked: Asked) -> None:
    path = asked.path.decode("latin-1")
    closed = [place for place in RESERVED if place not in OPEN]
    if any(path == place or path.startswith(f"{place}/") for place in closed):
        raise NotARequest(f"This page does not try {path}: it is for operators' own browsers.")
    for name, _ in asked.headers:
        if name != b"host" and (name in OURS_ALONE or name.startswith(OUR_NAMESPACES)):
            raise NotARequest(
                f"The field {name.decode('latin-1')} is not sent: connections and the gateway set it."
            )


def _write(connection: http.client.HTTPConnection, asked: Asked, body: bytes) -> None:
    target = asked.path + (b"?" + asked.query if asked.query else b"")
    connection.putrequest(asked.method, target.decode("latin-1"), skip_host=True, skip_accept_encoding=True)
    for name, value in asked.headers:
        connection.putheader(name, value)
    if body or asked.method in WITH_BODY:
        connection.putheader("Content-Length", str(len(body)))
    connection.putheader("Connection", "close")
    connection.endheaders(body or None)


def _ms(began: float) -> float:
    return (time.perf_counter() - began) * 1000

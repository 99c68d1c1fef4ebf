"""Decides which header fields pass, in both directions.

A service never gets hop-by-hop fields, fields that ``Connection`` names (RFC 9110 §7.6.1), API keys of the
gateway, and the client's identity and forwarding fields. Nor does it get names outside ``[A-Za-z0-9-]``,
since WSGI and ASGI read ``X_User_ID`` and ``X-User-ID`` as one key (CVE-2026-3902). The gateway adds its own
fields after that, so a client can neither remove nor repeat them.
"""

import json
import re
from collections.abc import Iterable

from atoll.identity.principal import Principal
from gateway.edge.identity.api_keys import API_KEY_FIELD, Machine, carries_key

HeaderList = list[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer "
    b"transfer-encoding upgrade expect http2-settings".split()
)
OURS_ALONE = (
    frozenset(
        b"host content-length forwarded via x-real-ip x-client-ip client-ip true-client-ip x-original-url "
        b"x-rewrite-url x-http-method-override x-http-method x-method-override x-correlation-id "
        b"x-request-id x-response-time x-service-name x-deadline-ms script-name path-info remote-user "
        b"traceparent tracestate".split()
    )
    | HOP_BY_HOP
)
OUR_NAMESPACES = (b"x-user-", b"x-consumer-", b"x-forwarded-", b"x-atoll-")
MAY_HOLD_KEYS = frozenset((b"authorization", API_KEY_FIELD))
NAME = re.compile(rb"[a-z0-9-]+")
ROLE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")

RESPONSE_DROPPED = HOP_BY_HOP | frozenset(
    b"server x-correlation-id x-request-id x-response-time x-service-name".split()
)
RESPONSE_NAMESPACES = (b"access-control-", b"x-user-", b"x-consumer-", b"x-atoll-")
MAX_KNOWN_NAMES = 2048

_passes: dict[bytes, bool] = {}


def passes(name: bytes) -> bool:
    """Whether a client's field of this (lower-case) name may reach a service."""
    return NAME.fullmatch(name) is not None and name not in OURS_ALONE and not name.startswith(OUR_NAMESPACES)


def returns(name: bytes) -> bool:
    """Whether a service's field of this name may reach the client."""
    return name not in RESPONSE_DROPPED and not name.startswith(RESPONSE_NAMESPACES)


def to_service(headers: Iterable[tuple[bytes, bytes]]) -> list[bytes]:
    """The client's fields that a service gets, as pieces of a request head."""
    pieces: list[bytes] = []
    named: set[bytes] | None = None
    cookies = 0
    for name, value in headers:
        known = _passes.get(name)
        if known is None:
            known = _learn(_passes, name, passes(name))
        if known:
            if name in MAY_HOLD_KEYS and carries_key(name, value):
                continue
            if name == b"cookie":
                cookies += 1
            pieces += (name, b": ", value, b"\r\n")
        elif name == b"connection":
            named = (named or set()) | named_by_connection(value)
    if named:
        pieces = _without(pieces, named)
    return _join_cookies(pieces) if cookies > 1 else pieces


def named_by_connection(value: bytes) -> set[bytes]:
    return {token.strip().lower() for token in value.split(b",")} - {b"close", b"keep-alive", b""}


def identity_of(principal: Principal) -> bytes:
    """The fields that name the caller to a service: of a user or a machine. A service has none."""
    if isinstance(principal, Machine):
        return f"x-consumer-id: {principal.consumer}\r\n".encode()
    return identity(principal.id, principal.roles) if principal.is_user else b""


def identity(user_id: str, roles: Iterable[str]) -> bytes:
    """``X-User-ID`` and ``X-User-Roles``, a JSON array, of a verified user, as part of a request head."""
    listed = json.dumps(sorted(role for role in roles if ROLE.fullmatch(role)), separators=(",", ":"))
    return f"x-user-id: {user_id}\r\nx-user-roles: {listed}\r\n".encode()


def _learn(known: dict[bytes, bool], name: bytes, verdict: bool) -> bool:
    if len(known) < MAX_KNOWN_NAMES:
        known[name] = verdict
    return verdict


def _fields(pieces: list[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return zip(pieces[0::4], pieces[2::4], strict=True)


def _without(pieces: list[bytes], named: set[bytes]) -> list[bytes]:
    kept: list[bytes] = []
    for name, value in _fields(pieces):
        if name not in named:
            kept += (name, b": ", value, b"\r\n")
    return kept


def _join_cookies(pieces: list[bytes]) -> list[bytes]:
    """HTTP/2 clients may send a cookie in parts (RFC 9113 §8.2.3); HTTP/1.1 knows one field."""
    cookie = b"; ".join(value for name, value in _fields(pieces) if name == b"cookie")
    return [*_without(pieces, {b"cookie"}), b"cookie", b": ", cookie, b"\r\n"]

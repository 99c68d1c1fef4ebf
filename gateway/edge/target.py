"""Checks the request target. It passes unchanged or is refused.

The gateway routes, authorises and forwards the same bytes. A path that two programs could read
differently is refused (RFC 3986 §6, CWE-22, CWE-436).
"""

import re

from gateway.edge.error_responses import ErrorResponse

MAX_TARGET_BYTES = 8192

_SEGMENT_FIRST = rb"[A-Za-z0-9_~!$&'()*+,=:@-]"
_SEGMENT_REST = rb"[A-Za-z0-9_~!$&'()*+,=:@.-]*"
PLAIN_PATH = re.compile(rb"/|(?:/" + _SEGMENT_FIRST + _SEGMENT_REST + rb")+/?")
PATH_CHARACTERS = re.compile(rb"/[A-Za-z0-9_~!$&'()*+,=:@.%/-]*")
ESCAPE = re.compile(rb"%(.{0,2})", re.DOTALL)
HEX = re.compile(rb"[0-9A-Fa-f]{2}")
HOST = re.compile(rb"[A-Za-z0-9._~%:\[\]-]{1,255}")
UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
NEVER_ESCAPED = frozenset(b"/\\;%") | frozenset(range(0x20)) | {0x7F}
HTTP_1_0 = ("1.0",)
QUERY = re.compile(rb"[\x21\x23-\x7e]*")


def check(path: bytes, query: bytes) -> None:
    """Raises ErrorResponse: 400 for a path that is not canonical, 414 for one that is too long."""
    if len(path) + len(query) > MAX_TARGET_BYTES:
        raise ErrorResponse(
            414,
            "URI too long",
            "uri_too_long",
            f"The path and query together may hold {MAX_TARGET_BYTES} bytes.",
        )
    if not PLAIN_PATH.fullmatch(path):
        problem = _problem(path)
        if problem:
            raise ErrorResponse(400, "Invalid path", "invalid_path", f"The path {problem}.")
    if query and not QUERY.fullmatch(query):
        raise ErrorResponse(
            400,
            "Invalid query",
            "invalid_query",
            "The query holds characters that must be percent-encoded.",
        )


def check_host(host: bytes, http_version: str) -> None:
    """Raises ErrorResponse: 400 unless the request has one valid Host (RFC 9112 §3.2).

    HTTP/1.0 needs none. ``host`` is empty for none and for several.
    """
    if not HOST.fullmatch(host) and (host or http_version not in HTTP_1_0):
        raise ErrorResponse(400, "Invalid request", "invalid_host", "Send one Host field with a host name.")


def _problem(path: bytes) -> str | None:
    if not PATH_CHARACTERS.fullmatch(path):
        return "must begin with '/' and hold only URL path characters, without ';' or a backslash"
    if b"//" in path:
        return "holds an empty segment ('//')"
    if any(segment in (b".", b"..") for segment in path.split(b"/")):
        return "holds a dot segment"
    return _escape_problem(path)


def _escape_problem(path: bytes) -> str | None:
    for match in ESCAPE.finditer(path):
        if not HEX.fullmatch(match[1]):
            return "holds a '%' that begins no percent-encoding"
        byte = int(match[1], 16)
        if byte in NEVER_ESCAPED:
            return "holds an encoded slash, backslash, semicolon, percent sign or control character"
        if byte in UNRESERVED:
            return f"encodes '{chr(byte)}', which needs no encoding"
    try:
        ESCAPE.sub(lambda match: bytes([int(match[1], 16)]), path).decode()
    except UnicodeDecodeError:
        return "is not UTF-8"
    return None

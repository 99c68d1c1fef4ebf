"""Reads request lines and header blocks.

Whatever two programs could read in two ways is refused: obs-fold, a bare LF or CR, a space before a
colon, two lengths, a length beside a transfer coding (RFC 9112 §2.2, §5, §6.3).
"""

import re
from typing import TYPE_CHECKING, NamedTuple

from gateway.edge import headers
from gateway.edge.error_responses import ErrorResponse
from gateway.edge.http.fields import FIELD_LINES, TOKEN

MAX_LINE_BYTES = 16 * 1024
MAX_HEAD_BYTES = 32 * 1024
MAX_FIELDS = 100
MAX_LENGTH_DIGITS = 15

REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])")
OTHER_VERSION = re.compile(TOKEN + rb" [\x21-\x7e\x80-\xff]+ HTTP/[0-9]+(?:\.[0-9]+)?")
ABSOLUTE = re.compile(rb"(https?)://([^/?#@\\]+)((?:[/?].*)?)", re.IGNORECASE)
if TYPE_CHECKING:
    from atoll.identity.principal import Principal
    from gateway.edge.routes.routing import CompiledRoute

METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")}

Headers = list[tuple[bytes, bytes]]
CLOSE = (b"connection", b"close")
NO_TOKENS: frozenset[bytes] = frozenset()


class RequestLine(NamedTuple):
    """``authority`` is that of an absolute target, else empty."""

    method: str
    path: bytes
    query: bytes
    is_http_1_1: bool
    authority: bytes


class Head:
    """What the header block of a request says. It depends on the bytes of the block alone.

    ``length`` is None without Content-Length. ``connection`` holds the lower-case tokens of Connection;
    ``keeps_alive`` is their meaning in HTTP/1.1, ``keeps_alive_1_0`` in HTTP/1.0.
    ``for_service`` are the field lines that a service gets. ``constant`` is a place for the fields that are
    the same for each request with this head and these callers (`forward.constant_fields`).
    ``host`` is empty for none and for several,
    ``authorization`` for several.
    """

    __slots__ = (
        "authorization", "chunked", "connection", "constant", "expectation", "fields", "for_service",
        "forwarded_for", "headers", "host", "keeps_alive", "keeps_alive_1_0", "length", "origin",
        "takes_trailers", "upgrade",
    )  # fmt: skip

    def __init__(self, found: Headers) -> None:
        self.headers = found
        self.fields = fields = dict(found)
        self.host: bytes = fields.get(b"host", b"")
        self.origin = fields.get(b"origin")
        self.authorization = fields.get(b"authorization")
        self.forwarded_for = fields.get(b"x-forwarded-for")
        self.upgrade: bytes = fields.get(b"upgrade", b"").lower()
        self.expectation: bytes = fields.get(b"expect", b"").lower()
        self.takes_trailers = b"trailers" in _tokens(fields.get(b"te", b""))
        connection = fields.get(b"connection", b"")
        if len(fields) != len(found):
            connection = self._read_repeated(found)
        tokens = self.connection = _tokens(connection)
        self.keeps_alive = b"close" not in tokens
        self.keeps_alive_1_0 = self.keeps_alive and b"keep-alive" in tokens
        self.length: int | None = None
        self.chunked = False
        self._read_framing(found)
        self.for_service = b"".join(headers.to_service(found))
        self.constant: tuple[Principal | None, CompiledRoute | None, str, str, bytes, bytes] | None = None

    def _read_repeated(self, found: Headers) -> bytes:
        """Two Authorization fields count as an invalid one, and two Host fields as none."""
        if sum(name == b"host" for name, _ in found) > 1:
            self.host = b""
        if sum(name == b"authorization" for name, _ in found) > 1:
            self.authorization = b""
        hops = [value for name, value in found if name == b"x-forwarded-for"]
        if hops:
            self.forwarded_for = b",".join(hops)
        return b",".join(value for name, value in found if name == b"connection")

    def _read_framing(self, found: Headers) -> None:
        lengths = [value for name, value in found if name == b"content-length"]
        codings = [value for name, value in found if name == b"transfer-encoding"]
        if codings:
            if lengths:
                raise malformed("framing", "Send either Content-Length or Transfer-Encoding.")
            if [coding.lower() for coding in codings] != [b"chunked"]:
                if codings[-1].rpartition(b",")[2].strip(b" \t").lower() != b"chunked":
                    # RFC 9112 §6.3: without chunked at its end, nobody knows where the body ends.
                    raise malformed(
                        "transfer_encoding", "A body with a transfer encoding ends with 'chunked'."
                    )
                raise ErrorResponse(
                    501, "Not implemented", "transfer_encoding",
                    "Only the transfer encoding 'chunked' is understood.", headers=[CLOSE],
                )  # fmt: skip
            self.chunked = True
        elif lengths:
            value = lengths[0]
            if len(lengths) > 1 or not value.isdigit() or len(value) > MAX_LENGTH_DIGITS:
                raise malformed("content_length", "Content-Length is not one number of bytes.")
            self.length = int(value)


def malformed(code: str, message: str) -> ErrorResponse:
    """The framing is lost, so the connection ends with this answer."""
    return ErrorResponse(400, "Invalid request", code, message, headers=[CLOSE])


def read_line(line: bytes) -> RequestLine:
    """Raises ErrorResponse: 400 for a line that is none, 505 for another version of HTTP."""
    match = REQUEST_LINE.fullmatch(line)
    if match is None:
        if OTHER_VERSION.fullmatch(line):
            raise ErrorResponse(
                505, "HTTP version not supported", "http_version",
                "This gateway speaks HTTP/1.1 and HTTP/1.0.", headers=[CLOSE],
            )  # fmt: skip
        raise malformed("request_line", "The first line is no request line of HTTP/1.1.")
    name, target, minor = match.groups()
    method = METHODS.get(name) or name.decode()
    authority = b""
    if target[0] != 0x2F:
        absolute = ABSOLUTE.fullmatch(target)
        if absolute is not None:
            authority, target = absolute[2], absolute[3]
            if not target.startswith(b"/"):
                target = b"/" + target
    path, _, query = target.partition(b"?")
    return RequestLine(method, path, query, minor == b"1", authority)


def read_block(block: bytes) -> Head:
    """The head of ``block``: field lines, each with its CRLF. Raises ErrorResponse: 400, 431, 501."""
    if FIELD_LINES.fullmatch(block) is None:
        raise malformed("header_fields", "A header field is malformed.")
    lines = block.split(b"\r\n")
    if len(lines) > MAX_FIELDS + 1:
        raise too_large(f"A request may have {MAX_FIELDS} header fields.")
    found: Headers = []
    for line in lines:
        if line:
            name, _, value = line.partition(b":")
            found.append((name.lower(), value.strip(b" \t")))
    return Head(found)


def too_slow() -> ErrorResponse:
    return ErrorResponse(
        408, "Request timeout", "request_timeout", "The request arrived too slowly.", headers=[CLOSE]
    )


def too_large(message: str) -> ErrorResponse:
    return ErrorResponse(
        431, "Request header fields too large", "header_fields_too_large", message, headers=[CLOSE]
    )


def line_too_long() -> ErrorResponse:
    return ErrorResponse(
        414, "URI too long", "uri_too_long", "The request line is too long.", headers=[CLOSE]
    )


def _tokens(value: bytes) -> frozenset[bytes]:
    if not value:
        return NO_TOKENS
    return frozenset(token.strip(b" \t").lower() for token in value.split(b","))


UNREADABLE = RequestLine("-", b"-", b"", True, b"")
NO_FIELDS = Head([])
"""Stand for the head of a request that could not be read."""

"""Reads the head of a service's answer, and decides which of its field lines pass."""

import re

from gateway.edge import headers
from gateway.edge.http.fields import TOKEN
from gateway.edge.upstream.failures import BadAnswer

STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")
NAME = re.compile(TOKEN)
MAX_FIELDS = 200
MAX_LENGTH_DIGITS = 18

DROPPED, KEPT, FRAMING, LINK, DATE = range(5)
FRAMING_NAMES = frozenset((b"content-length", b"transfer-encoding", b"connection", b"keep-alive"))
# Fields with places of the service in them.
LINK_NAMES = frozenset((b"location", b"content-location", b"link", b"set-cookie", b"refresh"))
MAX_KNOWN_NAMES = 2048

_known: dict[bytes, int] = {}


class AnswerHead:
    """Not changed after it was read, since a connection uses it again for an answer with the same head.

    ``lines`` are the field lines for the client, without CRLF. ``has_links``: one of them may name a
    place of the service. ``block`` is all lines together. ``length`` is None without Content-Length."""

    __slots__ = (
        "all_lines",
        "block",
        "chunked",
        "has_date",
        "has_links",
        "idle_limit_s",
        "keep_alive",
        "length",
        "lines",
        "status",
    )

    def __init__(self, raw: bytes) -> None:
        """``raw`` has no empty line at its end. Raises BadAnswer."""
        all_lines = raw.split(b"\r\n")
        line_ends = len(all_lines) - 1
        if raw.count(b"\n") != line_ends or raw.count(b"\r") != line_ends or b"\0" in raw:
            raise BadAnswer("its header fields are malformed")
        if line_ends > MAX_FIELDS:
            raise BadAnswer("its header fields are too many")
        match = STATUS_LINE.fullmatch(all_lines[0])
        if match is None:
            raise BadAnswer("its answer is not HTTP/1.1")
        self.status = int(match[2])
        self.keep_alive = match[1] == b"1"
        self.length: int | None = None
        self.chunked = False
        self.has_links = False
        self.has_date = False
        self.idle_limit_s: float | None = None
        self.all_lines = all_lines
        self.lines = lines = []
        named: set[bytes] = set()
        del all_lines[0]
        for line in all_lines:
            name, colon, value = line.partition(b":")
            kind = _known.get(name)
            if kind is None:
                kind = _classify(name)
            if not colon:
                raise BadAnswer("its header fields are malformed")
            if kind == KEPT:
                lines.append(line)
            elif kind == DATE:
                self.has_date = True
                lines.append(line)
            elif kind == LINK:
                self.has_links = True
                lines.append(line)
            elif kind == FRAMING:
                self._read_framing(name.lower(), value.strip(b" \t"), named)
        if self.chunked and self.length is not None:
            raise BadAnswer("its answer has two framings")
        if named:
            self.lines = [line for line in lines if line.partition(b":")[0].lower() not in named]
        self.block = b"\r\n".join(self.lines)

    def fields(self) -> list[tuple[bytes, bytes]]:
        """All field lines, with lower-case names."""
        return _fields(self.all_lines)

    def fields_for_client(self) -> list[tuple[bytes, bytes]]:
        return _fields(self.lines)

    def _read_framing(self, name: bytes, value: bytes, named: set[bytes]) -> None:
        if name == b"content-length":
            if not value.isdigit() or len(value) > MAX_LENGTH_DIGITS:
                raise BadAnswer("its Content-Length is no number")
            if self.length not in (None, int(value)):
                raise BadAnswer("its answer has two lengths")
            self.length = int(value)
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked" or self.chunked:
                raise BadAnswer("its transfer encoding is not 'chunked'")
            self.chunked = True
        elif name == b"connection":
            tokens = {token.strip(b" \t").lower() for token in value.split(b",")}
            if b"close" in tokens:
                self.keep_alive = False
            elif b"keep-alive" in tokens:
                self.keep_alive = True
            named |= tokens - {b"close", b"keep-alive", b"", b"upgrade"}
        else:
            self._read_keep_alive(value)

    def _read_keep_alive(self, value: bytes) -> None:
        """``Keep-Alive: timeout=5``: the gateway drops the connection a second before the service does."""
        for part in value.split(b","):
            name, _, seconds = part.strip().partition(b"=")
            if name.lower() == b"timeout" and seconds.isdigit() and len(seconds) < 7:
                self.idle_limit_s = max(0.0, int(seconds) - 1.0)


def may_trail(name: bytes) -> bool:
    """Whether a field of this (lower-case) name may follow the body of an answer."""
    return headers.returns(name) and name not in FRAMING_NAMES and name not in LINK_NAMES


def _fields(lines: list[bytes]) -> list[tuple[bytes, bytes]]:
    found = []
    for line in lines:
        name, _, value = line.partition(b":")
        found.append((name.lower(), value.strip(b" \t")))
    return found


def _classify(name: bytes) -> int:
    lower = name.lower()
    if NAME.fullmatch(name) is None:
        raise BadAnswer("its header fields are malformed")
    if lower in FRAMING_NAMES:
        kind = FRAMING
    elif lower == b"date":
        kind = DATE
    elif not headers.returns(lower):
        kind = DROPPED
    else:
        kind = LINK if lower in LINK_NAMES else KEPT
    if len(_known) < MAX_KNOWN_NAMES:
        _known[name] = kind
    return kind

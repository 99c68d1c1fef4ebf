"""Compresses answers of routes that ask for it: br or gzip, by what the client takes.

A route asks for it (``compress``), since an answer with a secret and with text of an attacker's choice gives
the secret away by its length (BREACH). Streams of events are never compressed, and each piece is flushed.
"""

import zlib
from typing import Protocol

import brotli

from gateway.edge.exchange import Exchange

LEAST_BYTES = 1024
GZIP_LEVEL = 5
BROTLI_QUALITY = 4
GZIP_WINDOW = 31  # zlib's code for the gzip format
TYPES = frozenset(
    b"application/json application/problem+json application/javascript application/xml application/ld+json "
    b"application/vnd.api+json application/atom+xml application/rss+xml image/svg+xml text/html text/plain "
    b"text/css text/csv text/xml text/javascript text/markdown".split()
)
VARY_LINE = b"vary: Accept-Encoding"


class Coder(Protocol):
    def piece(self, data: bytes) -> bytes: ...
    def end(self) -> bytes: ...


class Gzip:
    def __init__(self) -> None:
        self._coder = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_WINDOW)

    def piece(self, data: bytes) -> bytes:
        return self._coder.compress(data) + self._coder.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._coder.flush()


class Brotli:
    def __init__(self) -> None:
        self._coder = brotli.Compressor(quality=BROTLI_QUALITY)

    def piece(self, data: bytes) -> bytes:
        return bytes(self._coder.process(data) + self._coder.flush())

    def end(self) -> bytes:
        return bytes(self._coder.finish())


def choose(accepted: bytes) -> bytes:
    """``br``, ``gzip`` or nothing, by Accept-Encoding (RFC 9110 §12.5.3). br wins among equals."""
    weights: dict[bytes, float] = {}
    for part in accepted.lower().split(b","):
        name, _, parameters = part.partition(b";")
        weights[name.strip()] = _weight(parameters)
    others = weights.get(b"*", 0.0)
    found = [(weights.get(name, others), name) for name in (b"br", b"gzip")]
    best, name = max(found, key=lambda one: one[0])
    return name if best > 0 else b""


def encode(
    exchange: Exchange, status: int, lines: list[bytes], length: int | None
) -> tuple[list[bytes], Coder | None]:
    """The field lines of the answer, and the coder of its body; None where it stays as it is.

    An answer that might have been compressed says that it varies.
    """
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    kind = fields.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if (
        kind not in TYPES
        or status in (204, 206, 304)
        or b"content-encoding" in fields
        or b"no-transform" in fields.get(b"cache-control", b"").lower()
        or (length is not None and length < LEAST_BYTES)
    ):
        return lines, None
    name = choose(exchange.fields.get(b"accept-encoding", b""))
    if not name or exchange.method == "HEAD":
        return [*lines, VARY_LINE], None
    kept = [_weakened(line) for line in lines if not line.lower().startswith(b"accept-ranges:")]
    coder: Coder = Brotli() if name == b"br" else Gzip()
    return [*kept, b"content-encoding: " + name, VARY_LINE], coder


def _weakened(line: bytes) -> bytes:
    """A strong ETag names bytes, and these bytes change (RFC 9110 §8.8.3)."""
    name, _, value = line.partition(b":")
    value = value.strip()
    if name.lower() == b"etag" and not value.startswith(b"W/"):
        return b"etag: W/" + value
    return line


def _weight(parameters: bytes) -> float:
    for parameter in parameters.split(b";"):
        name, _, value = parameter.partition(b"=")
        if name.strip() == b"q":
            try:
                return max(0.0, min(1.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0

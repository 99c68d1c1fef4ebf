"""A request that somebody typed, in the form that the policies of the edge read."""

from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from atoll.identity.principal import Principal
from gateway.edge.routes.routing import CompiledRoute

Headers = list[tuple[bytes, bytes]]
MAX_HEADERS = 100
MAX_CHARS = 8192
EXPLAINED = "explained"


class NotARequest(ValueError):
    """The text says what is wrong with what was typed."""


@dataclass
class Asked:
    """Has the attributes of an Exchange that policies read and set."""

    method: str
    path: bytes
    query: bytes
    host: bytes
    headers: Headers
    client: str
    scheme: str = "http"
    principal: Principal | None = None
    route: CompiledRoute | None = None
    answer_lines: list[bytes] = field(default_factory=list)
    correlation_id: str = EXPLAINED
    request_id: str = EXPLAINED

    @property
    def fields(self) -> dict[bytes, bytes]:
        return dict(self.headers)

    @property
    def origin(self) -> bytes | None:
        return self.fields.get(b"origin")

    @property
    def authorization(self) -> bytes | None:
        return self.fields.get(b"authorization")


def read(method: str, address: str, lines: str, token: str, client: str, own_host: str) -> Asked:
    """``address`` is a path, or a URL whose host counts as the Host field. ``lines`` are ``Name: value``.

    Raises NotARequest.
    """
    parts = _split(address)
    headers = _headers(lines)
    if token:
        if any(name == b"authorization" for name, _ in headers):
            raise NotARequest("Give the token in its own field or as Authorization, not both.")
        headers.append((b"authorization", b"Bearer " + _latin(token.strip().removeprefix("Bearer "))))
    named = [value for name, value in headers if name == b"host"]
    host = _latin(parts.netloc) if parts.netloc else (named or [own_host.encode()])[0]
    kept = [pair for pair in headers if pair[0] != b"host"]
    return Asked(
        method=method.strip(),
        path=_latin(parts.path or "/"),
        query=_latin(parts.query),
        host=host,
        headers=[(b"host", host), *kept],
        client=client,
    )


def _split(address: str) -> SplitResult:
    typed = address.strip()
    if len(typed) > MAX_CHARS or not typed.isprintable() or " " in typed:
        raise NotARequest("The address is no path or URL.")
    try:
        parts = urlsplit(typed)
    except ValueError:
        raise NotARequest("The address is no path or URL.") from None
    if not typed.startswith("/") and parts.scheme not in ("http", "https"):
        raise NotARequest("The address must begin with / or http://.")
    return parts


def _headers(lines: str) -> Headers:
    found: Headers = []
    for line in filter(str.strip, lines.splitlines()):
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise NotARequest(f"{line.strip()[:80]!r} is no header field, such as Accept: text/html.")
        key = _latin(name.strip().lower())
        if key in (b"host", b"authorization") and any(key == one for one, _ in found):
            raise NotARequest(f"{name.strip()} is here twice.")
        found.append((key, _latin(value.strip())))
    if len(found) > MAX_HEADERS:
        raise NotARequest(f"At most {MAX_HEADERS} header fields.")
    return found


def _latin(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise NotARequest(f"{text[:80]!r} has characters that a request cannot have.") from None

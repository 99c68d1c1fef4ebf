"""A case of the battery, and the requests that cases are made of."""

from dataclasses import dataclass, field

HOST = b"Host: gateway.test\r\n"
OPEN = b"/open/x"
SMUGGLED = b"GET /open/smuggled HTTP/1.1\r\nHost: gateway.test\r\n\r\n"


@dataclass(frozen=True)
class Request:
    """A request as the service must see it. ``fields`` must be among its fields, ``without`` must not."""

    method: str = "GET"
    target: str = "/open/x"
    body: bytes = b""
    fields: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """``answers`` are the statuses in turn, ``code`` that of the last one's error.

    ``keeps``: the connection serves another request after that. Otherwise it ends.
    """

    name: str
    sent: bytes = field(repr=False)
    answers: tuple[int, ...]
    keeps: bool
    code: str = ""
    reaches: tuple[Request, ...] = ()

    @property
    def methods(self) -> tuple[bytes, ...]:
        """Of the first request for all answers, since only HEAD is read in another way."""
        return (self.sent.lstrip(b"\r\n").split(b" ", 1)[0],) * len(self.answers)


def get(*fields: bytes, target: bytes = OPEN, method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> bytes:
    lines = b"".join(one + b"\r\n" for one in fields)
    return method + b" " + target + b" " + version + b"\r\n" + HOST + lines + b"\r\n"


def post(*fields: bytes, body: bytes = b"", target: bytes = OPEN, version: bytes = b"HTTP/1.1") -> bytes:
    return get(*fields, target=target, method=b"POST", version=version) + body


def chunked(body: bytes, target: bytes = OPEN) -> bytes:
    """A POST whose body has this raw chunked coding."""
    return post(b"Transfer-Encoding: chunked", body=body, target=target)


def refused(name: str, sent: bytes, status: int = 400, code: str = "", *, keeps: bool = False) -> Case:
    """The gateway answers itself, and the service sees nothing."""
    return Case(name, sent, (status,), keeps, code)


def taken(name: str, sent: bytes, *reaches: Request, keeps: bool = True) -> Case:
    """Each request is forwarded and answered with 200."""
    seen = reaches or (Request(),)
    return Case(name, sent, (200,) * len(seen), keeps, reaches=seen)


def shown(data: bytes) -> str:
    """Bytes as part of the name of a case."""
    text = repr(data)[2:-1].replace("\\\\", "\\")
    return text if len(text) <= 60 else f"{text[:60]} and more, {len(data)} bytes"

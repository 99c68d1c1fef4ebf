"""Gets the document of another repository: a file, or an address of http or https."""

import threading
import time
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from atoll.bus.schemas import foreign_document
from atoll.bus.schemas.foreign_document import MAX_BYTES, ForeignDocument
from atoll.errors import Misuse

PATIENCE_S = 20.0
CHUNK = 65536


class _SafeRedirects(HTTPRedirectHandler):
    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if req.type == "https" and not newurl.startswith("https:"):
            raise OSError("it redirects from https to another scheme")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def document(source: str, *, patience_s: float = PATIENCE_S) -> ForeignDocument:
    """The document at a path or address. Raises Misuse, which names the source and the cause.

    Reads at most MAX_BYTES, and an address for at most ``patience_s`` seconds.
    """
    scheme = urlsplit(source).scheme if "://" in source else ""
    if scheme in ("http", "https"):
        return foreign_document.read(_from_address(source, patience_s), source)
    if scheme:
        raise Misuse(f"{source} is neither a file nor an address of http or https.")
    return foreign_document.read(_from_file(Path(source)), source)


def _from_file(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise Misuse(f"{path} is no file.")
        with path.open("rb") as file:
            return _bounded(file.read(MAX_BYTES + 1), str(path))
    except (OSError, ValueError) as error:
        raise Misuse(f"{path} cannot be read: {error}.") from error


def _bounded(raw: bytes, source: str) -> bytes:
    if len(raw) > MAX_BYTES:
        raise Misuse(f"{source} has more than {MAX_BYTES} bytes.")
    return raw


def _from_address(url: str, patience_s: float) -> bytes:
    """Fetch in a thread that may be left behind: a server can send one byte after another without an end."""
    ended: list[bytes | Exception] = []

    def fetch() -> None:
        try:
            ended.append(_fetch(url, time.monotonic() + patience_s))
        except Exception as error:  # handed to the caller below
            ended.append(error)

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    thread.join(patience_s)
    result = ended[0] if ended else TimeoutError()
    if isinstance(result, TimeoutError):
        raise Misuse(f"{url} did not send the document within {patience_s:g} s.")
    if isinstance(result, bytes):
        return _bounded(result, url)
    if isinstance(result, HTTPError):
        raise Misuse(f"{url} answered {result.code} in place of the document.") from result
    if isinstance(result, (OSError, HTTPException, ValueError)):
        raise Misuse(f"{url} cannot be fetched: {result}.") from result
    raise result


def _fetch(url: str, until: float) -> bytes:
    opener = OpenerDirector()
    for handler in (
        ProxyHandler, HTTPHandler, HTTPSHandler, _SafeRedirects, HTTPErrorProcessor, HTTPDefaultErrorHandler,
        UnknownHandler,
    ):  # fmt: skip
        opener.add_handler(handler())
    # Of those that it may open, only http and https have a handler.
    asked = Request(url, headers={"Accept": "application/json"})  # noqa: S310
    left_s = max(0.1, until - time.monotonic())
    raw = b""
    with closing(opener.open(asked, timeout=left_s)) as answer:
        while len(raw) <= MAX_BYTES and time.monotonic() < until and (part := answer.read1(CHUNK)):
            raw += part
    if time.monotonic() >= until:
        raise TimeoutError
    return raw

"""A document of another repository is read with bounds, and refused with the cause."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from atoll.bus.schemas import asyncapi, document_source, foreign_document
from atoll.bus.schemas.foreign_document import MAX_BYTES
from atoll.errors import Misuse

from .written_code import definitions_of, document, read


@dataclass(frozen=True)
class Placed:
    type: ClassVar[str] = "order.placed"
    total: int


GOOD = asyncapi.to_json(document(definitions_of(Placed)))
KEY = "order.placed.v1"


def message(made: dict[str, Any]) -> dict[str, Any]:
    return dict.__getitem__(made["components"]["messages"], KEY)


def data(made: dict[str, Any]) -> dict[str, Any]:
    return dict.__getitem__(message(made)["payload"]["properties"], "data")


def test_a_document_gives_its_definitions_and_services() -> None:
    there = read(json.loads(GOOD))
    assert there.services == {"shop-service"}
    (definition,) = there.definitions
    assert (definition.name, definition.version, definition.service) == ("order.placed", 1, "shop-service")


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda made: made.pop("asyncapi"), "the document has no `asyncapi: 3.…`"),
        (lambda made: made.update(asyncapi="2.6.0"), "the document has no `asyncapi: 3.…`"),
        (lambda made: made.pop("components"), "'components' is no object"),
        (lambda made: message(made).pop("x-atoll"), f"'{KEY}.x-atoll' is no object"),
        (lambda made: message(made)["x-atoll"].update(kind="rumour"), "is neither an event nor a command"),
        (lambda made: message(made)["x-atoll"].update(name="A\nB"), r"has the name 'A\nB'"),
        (lambda made: message(made)["x-atoll"].update(version=True), "has the version 'True'"),
        (lambda made: message(made)["x-atoll"].update(to="x"), "is event and is addressed to 'x'"),
        (lambda made: message(made)["x-atoll"].update(senders="x"), "`senders` must be an array"),
        (lambda made: data(made).update({"$ref": "#/x"}), "has '$ref', a keyword that Atoll does not write"),
        (lambda made: data(made).update(allOf=[]), "has 'allOf', a keyword that Atoll does not write"),
        (lambda made: data(made).update(type="tuple"), "has the type 'tuple'"),
        (lambda made: data(made)["properties"].update(a={"type": "array"}), "is an array without `items`"),
        (lambda made: data(made)["properties"].update(a={"enum": [1.5]}), "neither text nor whole number"),
        (lambda made: data(made)["properties"].update({"a": 1}), "is no object"),
        (lambda made: data(made).pop("properties"), "has data without `properties`"),
        (lambda made: made["operations"].update(a={"action": "receive"}), "lacks `tags` or `messages`"),
        (
            lambda made: made["components"]["messages"].update(again=message(made)),
            "two messages have the same kind, addressee, name and version",
        ),
    ],
)
def test_a_document_of_another_form_is_refused(change: Callable[[Any], object], cause: str) -> None:
    made = json.loads(GOOD)
    change(made)
    with pytest.raises(Misuse) as refused:
        foreign_document.read(json.dumps(made).encode(), "their.json")
    told = str(refused.value)
    assert told.startswith("their.json is no AsyncAPI document that Atoll wrote: ")
    assert cause in told
    assert told.isprintable()


@pytest.mark.parametrize(
    "raw", [b"", b"\xff", b"[]", b"<html>", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 100]
)
def test_bytes_that_are_no_document_are_refused(raw: bytes) -> None:
    with pytest.raises(Misuse, match=r"their\.json is no AsyncAPI document"):
        foreign_document.read(raw, "their.json")


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (MAX_BYTES + 1))
    for source, cause in (
        (str(tmp_path / "none.json"), "none.json is no file."),
        (str(tmp_path), "is no file."),
        (str(large), f"large.json has more than {MAX_BYTES} bytes."),
        ("ftp://x.example/a", "ftp://x.example/a is neither a file nor an address of http or https."),
        ("file:///etc/hostname", "is neither a file nor an address of http or https."),
        ("a\0b", "is no file."),
    ):
        with pytest.raises(Misuse) as refused:
            document_source.document(source)
        assert str(refused.value).endswith(cause)


@contextmanager
def server(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as made:
        made.daemon_threads = True
        thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{made.server_port}/asyncapi.json"
        finally:
            made.shutdown()


def sent(status: int, body: bytes = b"", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        # A client that has read enough goes away.
        with suppress(ConnectionError):
            request.wfile.write(body)

    return answer


def refusal(url: str, **options: Any) -> str:
    with pytest.raises(Misuse) as refused:
        document_source.document(url, **options)
    return str(refused.value)


def test_an_address_gives_the_document_also_after_a_redirect() -> None:
    with server(sent(200, GOOD.encode())) as url:
        assert [one.name for one in document_source.document(url).definitions] == ["order.placed"]
        with server(sent(302, Location=url)) as other:
            assert document_source.document(other).source == other


def test_an_address_without_the_document_is_refused() -> None:
    with server(sent(404)) as url:
        assert refusal(url) == f"{url} answered 404 in place of the document."
    with server(sent(302, Location="file:///etc/hostname")) as url:
        assert "answered 302" in refusal(url)
    with server(sent(200, b" " * (MAX_BYTES + 5))) as url:
        assert refusal(url) == f"{url} has more than {MAX_BYTES} bytes."
    with server(sent(200, b"<html>")) as url:
        assert refusal(url).startswith(f"{url} is no AsyncAPI document: ")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        assert refusal(url).startswith(f"{url} cannot be fetched: ")
    assert refusal("http://127.0.0.1:99999/").startswith("http://127.0.0.1:99999/ cannot be fetched: ")


def test_a_server_that_never_ends_is_left_alone() -> None:
    left = threading.Event()

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        with suppress(ConnectionError):
            while not left.wait(0.02):
                request.wfile.write(b" ")

    with server(drip) as url:
        told = refusal(url, patience_s=0.3)
        left.set()
    assert told == f"{url} did not send the document within 0.3 s."

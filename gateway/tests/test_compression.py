"""Answers are compressed where the route and the client want it, and never where it would harm."""

import gzip
from collections.abc import Callable

import brotli
import pytest

from gateway.edge.compression import choose
from gateway.tests.harness import Answer, Gateway, row
from gateway.tests.upstream import Upstream, answer

TEXT = b'{"name": "Amber Glass Desk Lamp"}' * 100


@pytest.fixture
def packed(make_gateway: Callable[..., Gateway], upstream: Upstream) -> Gateway:
    upstream.answers("/packed", answer(200, TEXT, 'ETag: "one"', "Vary: Cookie"))
    upstream.answers("/plain", answer(200, TEXT))
    return make_gateway(row("packed", "/packed", compress=True), row("plain", "/plain"))


def get(gateway: Gateway, path: str = "/packed/x", accepted: str = "gzip, br", method: str = "GET") -> Answer:
    return gateway.request(method, path, headers={"Accept-Encoding": accepted})


@pytest.mark.parametrize(
    ("accepted", "encoding"), [("gzip, br", "br"), ("gzip", "gzip"), ("br;q=0.5, gzip", "gzip")]
)
def test_the_client_gets_the_coding_that_it_wants(packed: Gateway, accepted: str, encoding: str) -> None:
    got = get(packed, accepted=accepted)
    assert got.headers["content-encoding"] == encoding
    decode = brotli.decompress if encoding == "br" else gzip.decompress
    assert decode(got.body) == TEXT
    assert len(got.body) < len(TEXT) / 5
    assert got.headers["vary"] == "Accept-Encoding" and got.headers["etag"] == 'W/"one"'


@pytest.mark.parametrize("accepted", ["", "identity", "deflate", "gzip;q=0, br;q=0", "*;q=0"])
def test_a_client_that_wants_none_gets_the_answer_as_it_is(packed: Gateway, accepted: str) -> None:
    got = get(packed, accepted=accepted)
    assert (got.body, got.headers.get("content-encoding"), got.headers["etag"]) == (TEXT, None, '"one"')
    assert got.headers["vary"] == "Accept-Encoding"


def test_a_route_that_does_not_ask_for_it_compresses_nothing(packed: Gateway) -> None:
    got = get(packed, "/plain/x")
    assert (got.body, got.headers.get("content-encoding"), got.headers.get("vary")) == (TEXT, None, None)


@pytest.mark.parametrize(
    "raw",
    [
        answer(200, b"{}"),
        answer(200, TEXT, "Content-Encoding: deflate"),
        answer(200, TEXT, "Cache-Control: no-transform"),
        answer(206, TEXT, "Content-Range: bytes 0-9/100"),
        answer(200, TEXT).replace(b"application/json", b"image/png"),
        answer(200, TEXT).replace(b"application/json", b"text/event-stream"),
    ],
)
def test_what_gains_nothing_or_must_not_change_stays(packed: Gateway, upstream: Upstream, raw: bytes) -> None:
    upstream.answers("/packed", raw)
    got = get(packed)
    assert got.body == raw.partition(b"\r\n\r\n")[2]


def test_a_head_request_has_no_body(packed: Gateway) -> None:
    got = get(packed, method="HEAD")
    assert (got.status, got.body) == (200, b"")


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        (b"*", b"br"),
        (b"*;q=0.1, gzip;q=0.5", b"gzip"),
        (b"br;q=nonsense, gzip", b"gzip"),
        (b"br;q=2", b"br"),
        (b";;,,", b""),
        (b"GZIP", b"gzip"),
    ],
)
def test_odd_lists_of_codings_have_one_reading(accepted: bytes, chosen: bytes) -> None:
    assert choose(accepted) == chosen

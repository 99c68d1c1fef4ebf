"""Paths on raw sockets, since client libraries would rewrite them."""

from collections.abc import Callable
from posixpath import normpath
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.edge import target
from gateway.edge.error_responses import ErrorResponse
from gateway.edge.routes.routing import Table
from gateway.edge.routes.snapshot import read
from gateway.tests.harness import Gateway, row, table
from gateway.tests.upstream import Upstream

REFUSED = [
    b"/shop/%2e%2e/staff/x",
    b"/shop/../staff/x",
    b"/shop/./x",
    b"/shop/.",
    b"/shop/..",
    b"/shop/%2E",
    b"/shop/a%2fb",
    b"/shop/a%2Fb",
    b"/shop/a%5cb",
    b"/shop/a\\b",
    b"/shop//x",
    b"//shop/x",
    b"/shop/x//",
    b"/shop/%00",
    b"/shop/%0d%0aX-User-ID:%201",
    b"/shop/%7f",
    b"/shop/a;b=c",
    b"/shop/a%3bb",
    b"/shop/%252e%252e/x",
    b"/shop/%25",
    b"/shop/%61dmin",
    b"/%73hop/x",
    b"/shop/%zz",
    b"/shop/%2",
    b"/shop/%",
    b"/shop/%ff",
    b"/shop/%c3%28",
    b"/shop/a|b",
    b"/shop/{x}",
    b"*",
]
TAKEN = [
    b"/shop",
    b"/shop/",
    b"/shop/a",
    b"/shop/a/b/c/",
    b"/shop/caf%C3%A9",
    b"/shop/a%20b",
    b"/shop/a@b,c:d=e",
    b"/shop/.well-known/x",
    b"/shop/...",
    b"/shop/a..b",
    b"/shop/%F0%9F%9A%80",
]


@pytest.mark.parametrize("path", REFUSED)
def test_a_path_with_two_readings_is_refused_and_reaches_nobody(
    gateway: Gateway, upstream: Upstream, path: bytes
) -> None:
    before = len(upstream.seen)
    answer = gateway.raw(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)

    assert answer.status == 400
    assert set(answer.json()) == {"error", "message", "code", "correlationId", "details"}
    assert len(upstream.seen) == before


@pytest.mark.parametrize("path", TAKEN)
def test_a_canonical_path_arrives_byte_for_byte(gateway: Gateway, upstream: Upstream, path: bytes) -> None:
    assert gateway.raw(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path).status == 200
    assert upstream.seen[-1].target.encode() == b"/products" + path.removeprefix(b"/shop")


def test_an_absolute_target_is_routed_by_its_path(gateway: Gateway, upstream: Upstream) -> None:
    assert gateway.raw(b"GET http://shop.test/shop/x HTTP/1.1\r\nHost: shop.test\r\n\r\n").status == 200
    assert upstream.seen[-1].header("host") == f"127.0.0.1:{upstream.port}"
    assert upstream.seen[-1].header("x-forwarded-host") == "shop.test"
    assert gateway.raw(b"GET http://shop.test/staff/x HTTP/1.1\r\nHost: shop.test\r\n\r\n").status == 401


def test_the_host_of_an_absolute_target_replaces_the_host_field(gateway: Gateway, upstream: Upstream) -> None:
    assert gateway.raw(b"GET http://shop.test/shop/x HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
    assert upstream.seen[-1].header("x-forwarded-host") == "shop.test"
    assert gateway.raw(b"GET http://shop.test/shop/x HTTP/1.1\r\n\r\n").status == 400


def test_a_target_that_is_too_long_is_refused_with_414(gateway: Gateway) -> None:
    assert gateway.get("/shop/" + "a" * 9000).status == 414
    assert gateway.get("/shop/x?" + "a" * 9000).status == 414


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "get"])
def test_other_methods_are_refused_with_405(gateway: Gateway, method: str) -> None:
    answer = gateway.request(method, "/open/x")

    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"


def test_an_unknown_route_is_404_in_the_platforms_shape(gateway: Gateway) -> None:
    answer = gateway.get("/nowhere", X_Correlation_ID="test-correlation-1")

    assert answer.status == 404
    assert answer.json() == {
        "error": "Not found",
        "message": "No route of the gateway takes /nowhere.",
        "code": "route_not_found",
        "correlationId": "test-correlation-1",
        "details": {},
    }


def test_a_prefix_ends_at_a_slash(gateway: Gateway) -> None:
    assert gateway.get("/shopping").status == 404


def test_a_websocket_is_refused_in_shape(gateway: Gateway) -> None:
    answer = gateway.get("/open/ws", Connection="Upgrade", Upgrade="websocket", Sec_WebSocket_Version="13")

    assert (answer.status, answer.json()["code"]) == (501, "no_websockets")


PIECES = st.sampled_from(
    [b"/", b"//", b".", b"..", b"%2e", b"%2f", b"%5c", b"%00", b"%25", b";", b"\\", b"a", b"admin", b"%C3%A9",
     b"%61", b"public", b"?", b"#", b"~", b"@", b"%", b" ", b"\xc3"]
)  # fmt: skip


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES, max_size=10).map(lambda pieces: b"/" + b"".join(pieces)))
def test_the_path_that_is_decided_on_is_the_path_that_is_forwarded(path: bytes) -> None:
    """No usual reading of the path leads to another place."""
    try:
        target.check(path, b"")
    except ErrorResponse:
        return
    decoded = unquote_to_bytes(path)
    assert unquote_to_bytes(decoded) == decoded
    assert normpath(decoded.decode()) == decoded.decode().rstrip("/") or decoded == b"/"
    assert decoded.count(b"/") == path.count(b"/")
    assert unquote_to_bytes(quote(decoded)) == decoded
    routes = Table(
        read(
            table(
                row("root", "/a", service_path="/b"),
                row("admin", "/a/admin", access="staff", roles=["support"]),
            )
        )
    )
    try:
        matched = routes.match("GET", path)
    except ErrorResponse:
        return
    assert matched.upstream_path(path) == matched.service_path + path[len(matched.prefix) :]
    assert (matched.name == "admin") == (decoded == b"/a/admin" or decoded.startswith(b"/a/admin/"))


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready"])
@pytest.mark.parametrize("host", ["", "Host: 10.1.2.3:8000\r\n", "Host: evil.example\r\n", "Host: a b\r\n"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_probes_are_answered_whatever_host_they_name(gateway, path, host, version):
    head = f"GET {path} HTTP/{version}\r\n{host}Connection: close\r\n\r\n"
    assert gateway.raw(head.encode()).status == 200


def test_http_1_0_without_a_host_is_forwarded(gateway):
    assert gateway.raw(b"GET /open/x HTTP/1.0\r\n\r\n").status == 200


@pytest.mark.parametrize(
    "path",
    [b"metrics", b"metrics/", b"schema", b"docs", b"admin/", b"bus/messages", b"health/live", b"static/x"],
)
def test_what_is_for_operators_and_services_is_never_forwarded(
    make_gateway: Callable[..., Gateway], upstream: Upstream, path: bytes
) -> None:
    """Neither a route that opens the whole service nor a table of an earlier version reaches it."""
    gateway = make_gateway(
        row("whole", "/whole", service_path=""),
        row("old", "/old", service_path=f"/{path.decode().strip('/')}"),
    )
    for asked in (b"/whole/" + path, b"/old"):
        answer = gateway.raw(b"GET " + asked + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (answer.status, answer.json()["code"]) == (404, "route_not_found")
    assert gateway.raw(b"GET /whole/%6detrics HTTP/1.1\r\nHost: x\r\n\r\n").status == 400
    assert upstream.seen == []
    assert gateway.raw(b"GET /whole/metricses HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
    assert gateway.raw(b"GET /whole HTTP/1.1\r\nHost: x\r\n\r\n").status == 200

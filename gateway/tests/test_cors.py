"""Cross-origin rules: shared or of a route, on every answer, and in answers to preflights."""

from collections.abc import Callable

import pytest

from atoll.addresses import networks
from atoll.ids import uuid7
from gateway.tests.harness import Answer, Gateway, row
from gateway.tests.upstream import Upstream, answer

SHOP, STAFF, EVIL = "https://shop.test", "https://staff.test", "https://evil.test"
SHARED = {"origins": [SHOP], "credentials": True}
ALLOWED = "access-control-allow-origin"
METHODS = "access-control-allow-methods"


@pytest.fixture
def gateway(make_gateway: Callable[..., Gateway]) -> Gateway:
    return make_gateway(
        row("open", "/open"),
        row("mine", "/mine", access="signed_in"),
        row("small", "/small", max_body_bytes=10),
        row(f"scarce-{uuid7()}", "/scarce", rate_limit=1, rate_window_s=3600),
        row("away", "/away", service="nobody-service"),
        row("reads", "/reads", methods=["GET", "HEAD"]),
        row("writes", "/reads", methods=["POST"]),
        row("staff", "/staff", cors={"origins": [STAFF], "headers": ["X-Staff"], "max_age_s": 5}),
        row("closed", "/closed", cors={"origins": []}),
        row("stable", "/twofold", cors={"origins": [SHOP, STAFF]}),
        row("beta", "/twofold", header_matches={"x-beta": "1"}, cors={"origins": [STAFF]}),
        cors=SHARED,
    )


def preflight(gateway: Gateway, path: str, origin: str = SHOP, method: str = "GET") -> Answer:
    fields = {"Origin": origin, "Access-Control-Request-Method": method}
    return gateway.request("OPTIONS", path, headers=fields)


def varies(found: Answer) -> bool:
    return "Origin" in found.headers.get("vary", "")


@pytest.mark.parametrize("origin", [SHOP, EVIL, None])
@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/open/x", 200),
        ("GET", "/mine/x", 401),
        ("GET", "/nowhere", 404),
        ("GET", "/open/../x", 400),
        ("GET", "/open/" + "a" * 9000, 414),
        ("TRACE", "/open/x", 405),
        ("PUT", "/reads/x", 405),
        ("POST", "/small/x", 413),
        ("GET", "/away/x", 503),
        ("GET", "/health", 200),
        ("GET", "/health/live", 200),
        ("POST", "/health", 405),
    ],
)
def test_every_answer_carries_the_rules(
    gateway: Gateway, method: str, target: str, status: int, origin: str | None
) -> None:
    fields = {"Origin": origin} if origin else {}
    found = gateway.request(method, target, b"x" * 20 if method == "POST" else None, headers=fields)

    assert found.status == status
    assert found.headers.get(ALLOWED) == (SHOP if origin == SHOP else None)
    assert ("access-control-allow-credentials" in found.headers) == (origin == SHOP)
    assert varies(found)


def test_an_answer_over_the_limit_carries_the_rules_and_pages_can_read_when_to_come_again(
    gateway: Gateway,
) -> None:
    assert gateway.get("/scarce/x", Origin=SHOP).status == 200
    found = gateway.get("/scarce/x", Origin=SHOP)

    assert (found.status, found.headers[ALLOWED]) == (429, SHOP)
    exposed = found.headers["access-control-expose-headers"].split(", ")
    assert {"Retry-After", "RateLimit", "RateLimit-Policy", "Location", "ETag", "Link"} <= {*exposed}


def test_a_routes_own_rules_replace_the_shared_ones(gateway: Gateway) -> None:
    assert gateway.get("/staff/x", Origin=STAFF).headers[ALLOWED] == STAFF
    assert "access-control-allow-credentials" not in gateway.get("/staff/x", Origin=STAFF).headers
    refused = gateway.get("/staff/x", Origin=SHOP)
    assert (refused.status, ALLOWED in refused.headers, varies(refused)) == (200, False, True)
    closed = gateway.get("/closed/x", Origin=SHOP)
    assert (closed.status, ALLOWED in closed.headers, varies(closed)) == (200, False, False)


def test_services_cannot_add_permissions(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers("/closed", answer(200, b"{}", "Access-Control-Allow-Origin: *", "Vary: Accept"))
    found = gateway.get("/closed/x", Origin=EVIL)
    assert (found.status, ALLOWED in found.headers, found.headers["vary"]) == (200, False, "Accept")


@pytest.mark.parametrize("written", ["https://Shop.Test", "https://shop.test:443", "https://SHOP.test:443"])
def test_an_origin_may_be_written_otherwise_than_browsers_send_it(
    make_gateway: Callable[..., Gateway], written: str
) -> None:
    gateway = make_gateway(row("open", "/open"), cors={"origins": [written, "http://other.test:8443"]})
    assert gateway.get("/open/x", Origin=SHOP).headers[ALLOWED] == SHOP
    assert METHODS in preflight(gateway, "/open/x").headers
    for origin in ("http://shop.test", "https://shop.test:8443", "http://other.test"):
        assert ALLOWED not in gateway.get("/open/x", Origin=origin).headers


def test_everybody_may_read_where_every_origin_is_allowed(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(row("open", "/open"), cors={"origins": ["*"]})
    for fields in ({"Origin": EVIL}, {}):
        found = gateway.request("GET", "/open/x", headers=fields)
        assert (found.headers[ALLOWED], varies(found)) == ("*", True)
    assert preflight(gateway, "/open/x", EVIL).headers[ALLOWED] == "*"


def test_without_rules_no_answer_has_any(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway(row("open", "/open"))
    found = gateway.get("/open/x", Origin=SHOP)
    assert (found.status, ALLOWED in found.headers, varies(found)) == (200, False, False)


@pytest.mark.parametrize("path", ["/nowhere", "/", "/health"])
def test_a_preflight_where_no_route_is_lets_the_request_come_and_be_refused_readably(
    gateway: Gateway, path: str
) -> None:
    found = preflight(gateway, path, method="DELETE")
    assert (found.status, found.headers[ALLOWED]) == (204, SHOP)
    assert "DELETE" in found.headers[METHODS]


def test_a_preflight_lists_the_methods_that_routes_take(gateway: Gateway) -> None:
    for method in ("GET", "PUT"):
        found = preflight(gateway, "/reads/x", method=method)
        assert (found.status, found.headers[METHODS]) == (204, "GET, HEAD, POST")


def test_a_preflight_follows_the_rules_of_its_route(gateway: Gateway, upstream: Upstream) -> None:
    found = preflight(gateway, "/staff/x", STAFF, "PUT")
    assert (found.status, found.headers[ALLOWED]) == (204, STAFF)
    assert found.headers["access-control-allow-headers"] == "X-Staff"
    assert found.headers["access-control-max-age"] == "5"
    refused = preflight(gateway, "/staff/x", SHOP, "PUT")
    assert (refused.status, ALLOWED in refused.headers, METHODS in refused.headers) == (204, False, False)
    assert varies(refused)
    assert upstream.seen == []


def test_a_strict_route_is_not_opened_by_a_lenient_one_that_differs_in_header_fields(
    gateway: Gateway,
) -> None:
    assert ALLOWED not in preflight(gateway, "/twofold/x", SHOP).headers
    assert preflight(gateway, "/twofold/x", STAFF).headers[ALLOWED] == STAFF
    assert gateway.get("/twofold/x", Origin=SHOP).headers[ALLOWED] == SHOP


def test_the_admin_is_open_to_no_other_origin(
    make_gateway: Callable[..., Gateway], make_upstream: Callable[[], Upstream]
) -> None:
    control = make_upstream()
    gateway = make_gateway(
        row("all", "/", service_path="/x"),
        cors={"origins": [SHOP], "credentials": True},
        control_url=f"http://127.0.0.1:{control.port}",
        admin_networks=networks("127.0.0.0/8"),
    )
    answers = (gateway.get("/admin/x", Origin=SHOP), preflight(gateway, "/admin/x", method="DELETE"))
    for found in answers:
        assert (found.status, ALLOWED in found.headers, METHODS in found.headers) == (200, False, False)
    assert [seen.method for seen in control.seen] == ["GET", "OPTIONS"]


def test_options_that_is_no_preflight_is_routed(gateway: Gateway, upstream: Upstream) -> None:
    for fields in ({"Origin": SHOP}, {"Access-Control-Request-Method": "GET"}):
        assert gateway.request("OPTIONS", "/open/x", headers=fields).status == 200
        assert upstream.seen[-1].method == "OPTIONS"
    assert preflight(gateway, "/closed/x").status == 200
    assert upstream.seen[-1].target == "/closed/x"


@pytest.mark.parametrize("target", ["/nowhere", "/mine/x", "/health", "/metrics", "/open/../x"])
def test_the_gateways_own_answers_run_and_load_nothing_in_a_browser(gateway: Gateway, target: str) -> None:
    found = gateway.get(target)
    assert found.headers["x-content-type-options"] == "nosniff"
    assert found.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert found.headers["referrer-policy"] == "no-referrer"
    assert found.headers["cache-control"] == "no-store"


def test_answers_of_services_keep_their_own_security_fields(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers("/open", answer(200, b"<p>", "Content-Security-Policy: default-src 'self'"))
    found = gateway.get("/open/x").headers
    assert found["content-security-policy"] == "default-src 'self'"
    assert "referrer-policy" not in found and "cache-control" not in found

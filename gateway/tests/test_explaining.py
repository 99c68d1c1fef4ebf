"""Explain and try: the edge's own functions, in words, and a request that only this gateway gets."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry

from atoll.identity.principal import Principal
from atoll.identity.roles import OPERATOR, SUPPORT
from atoll.testing.rights import signed_in
from atoll.testing.tokens import access_token, jwks
from gateway import recording
from gateway.admin import explaining
from gateway.edge.aggregation.shipped import shipped
from gateway.edge.composition import KEYS_PATH, REVOCATIONS_PATH
from gateway.edge.error_responses import ErrorResponse
from gateway.edge.routes.routing import Table
from gateway.edge.routes.snapshot import read
from gateway.explain import asked as typed
from gateway.explain.asked import Asked, NotARequest
from gateway.explain.explain import Explanation, explain
from gateway.explain.trying import send
from gateway.models import Route
from gateway.tests.harness import Gateway, row, table, until
from gateway.tests.upstream import Upstream, answer
from gateway.usecases.load_routes import load_routes

ADA = "0197f1c0-0000-7000-8000-000000000001"
PAGE = "/admin/gateway/explain/"


def person(user_id: str = ADA, *roles: str) -> Principal:
    return Principal(user_id, frozenset(roles), "user", None, "t", None, "Ada")


def request(method: str, address: str, *lines: str, token: str = "") -> Asked:
    return typed.read(method, address, "\n".join(lines), token, "203.0.113.7", "gateway.test")


def told(asked: Asked, *routes: dict[str, Any], by: Principal | None = None, **document: Any) -> Explanation:
    shared = document.pop("cors", None)
    compiled = Table(read(table(*routes, cors=shared) | document))
    return explain(asked, compiled, lambda *_: by)


def steps(explanation: Explanation) -> dict[str, str]:
    return {step.name: step.text for step in explanation.steps}


ORDERS = row(
    "orders", "/api/orders", service="order-service", service_path="/orders", access="signed_in", rate_limit=6
)


def test_the_route_the_caller_the_limit_and_what_is_sent_are_told() -> None:
    explanation = told(
        request("POST", "/api/orders/7?x=1", "X-User-ID: forged", "Accept: a/b", token="secret"),
        ORDERS,
        by=person(ADA, "support"),
    )

    assert explanation.refusal is None
    assert explanation.route is not None
    assert explanation.route.name == "orders"
    said = steps(explanation)
    assert said["Caller"] == "Ada with the roles support."
    assert said["Limit"].startswith(f"6 requests in 60 s, counted for user:{ADA}")
    [sent] = explanation.sent
    assert (sent.service, sent.line) == ("order-service", "POST /orders/7?x=1")
    assert "accept: a/b" in sent.fields
    assert f"x-user-id: {ADA}" in sent.fields
    assert "x-forwarded-for: 203.0.113.7" in sent.fields
    assert not [line for line in sent.fields if "forged" in line or "secret" in line]


def test_every_other_route_says_why_it_lost() -> None:
    explanation = told(
        request("GET", "http://a.test/api/orders/7", "X-Version: 1"),
        ORDERS | {"access": "public"},
        row("shorter", "/api"),
        row("elsewhere", "/b"),
        row("host", "/api/orders", hosts=["b.test"]),
        row("writes", "/api/orders/7", methods=["PUT"]),
        row("versioned", "/api/orders", header_matches={"x-version": "2"}),
    )

    reasons = {other.name: reason for other, reason in explanation.others}
    assert reasons == {
        "shorter": "it fits, too, but orders has the longer path.",
        "elsewhere": "its path is another.",
        "host": "its hosts are others.",
        "writes": "it does not take GET.",
        "versioned": "it asks for x-version: 2.",
    }


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        (request("GET", "/api/../x"), 400, "invalid_path"),
        (request("GET", "/nowhere"), 404, "route_not_found"),
        (request("DELETE", "/only"), 405, "method_not_allowed"),
        (request("GET", "/api/orders"), 401, "access_token_required"),
        (request("GET", "/whole/metrics"), 404, "route_not_found"),
        (request("GET", "/only", "Host: a b"), 400, "invalid_host"),
    ],
)
def test_a_refusal_is_the_edges_own(asked: Asked, status: int, code: str) -> None:
    explanation = told(
        asked,
        ORDERS,
        row("only", "/only", methods=["GET"]),
        row("whole", "/whole", service_path=""),
    )

    assert explanation.refusal is not None
    assert (explanation.refusal.status, explanation.refusal.code) == (status, code)
    assert explanation.sent == []
    assert explanation.steps[-1].is_refusal


def test_a_bad_token_is_refused_where_the_route_asks_and_told_where_it_does_not() -> None:
    def refuse(*_: Any) -> None:
        raise ErrorResponse(403, "Invalid or expired token", "invalid_token", "It is old.")

    closed, open_ = Table(read(table(ORDERS))), Table(read(table(ORDERS | {"access": "public"})))
    refused = explain(request("GET", "/api/orders"), closed, refuse)
    assert refused.refusal is not None
    assert refused.refusal.code == "invalid_token"
    passed = explain(request("GET", "/api/orders"), open_, refuse)
    assert passed.refusal is None
    assert steps(passed)["Caller"] == "The credential is not good: It is old."


def test_other_origins_and_preflights_follow_the_rules() -> None:
    rules = {"origins": ["https://shop.test"]}
    route = ORDERS | {"access": "public"}
    allowed = told(request("GET", "/api/orders", "Origin: https://shop.test"), route, cors=rules)
    assert "may read the answer" in steps(allowed)["Other origins"]
    assert "access-control-allow-origin: https://shop.test" in allowed.answer_fields
    foreign = told(request("GET", "/api/orders", "Origin: https://evil.test"), route, cors=rules)
    assert "may not read the answer" in steps(foreign)["Other origins"]
    preflight = told(
        request("OPTIONS", "/api/orders", "Origin: https://shop.test", "Access-Control-Request-Method: GET"),
        route,
        cors=rules,
    )
    assert (preflight.route, preflight.sent) == (None, [])
    assert any("access-control-allow-methods" in line for line in preflight.answer_fields)


def test_the_legs_of_an_aggregate_are_told_or_its_refusal() -> None:
    board = row("board", "/api/user", service=None, builtin="aggregates", access="signed_in")
    address = f"/api/user/{ADA}/overview"
    mine = told(request("GET", address), board, by=person(), aggregates=shipped())
    assert mine.services == ["order-service", "payment-service", "user-service"]
    assert mine.sent[0].line == f"GET /users/{ADA}"
    other = told(request("GET", address), board, by=person("bob"), aggregates=shipped())
    assert other.refusal is not None
    assert other.refusal.status == 403


@pytest.mark.parametrize(
    ("address", "lines", "problem"),
    [
        ("orders", (), "must begin with"),
        ("ftp://a/b", (), "must begin with"),
        ("/a b", (), "no path or URL"),
        ("http://[", (), "no path or URL"),
        ("/\u2192", (), "cannot have"),
        ("/a", ("no colon",), "no header field"),
        ("/a", ("Host: a", "Host: b"), "here twice"),
        ("/a", ("Authorization: Bearer x",), "not both"),
    ],
)
def test_what_is_no_request_is_refused(address: str, lines: tuple[str, ...], problem: str) -> None:
    with pytest.raises(NotARequest, match=problem):
        request("GET", address, *lines, token="t" if "both" in problem else "")


# --- trying


@pytest.fixture
def running(make_gateway: Callable[..., Gateway], monkeypatch: pytest.MonkeyPatch) -> Gateway:
    gateway = make_gateway(row("shop", "/shop"), ORDERS)
    monkeypatch.setattr("atoll.conf.gateway_url", lambda: f"http://127.0.0.1:{gateway.port}")
    return gateway


def test_a_tried_request_meets_this_gateway_whatever_host_was_typed(
    running: Gateway, upstream: Upstream
) -> None:
    upstream.answers("/shop", answer(201, b'{"made": true}', "X-A: b"))

    tried = send(request("POST", "http://evil.test/shop?a=1", "X-B: c"), b"{}")

    assert (tried.status, tried.body) == (201, '{"made": true}')
    assert "x-a: b" in [line.lower() for line in tried.fields]
    [seen] = upstream.of("/shop")
    assert (seen.target, seen.header("x-b"), seen.header("x-forwarded-host")) == (
        "/shop?a=1",
        "c",
        "evil.test",
    )


def test_a_long_body_is_cut_and_no_answer_is_told(
    running: Gateway, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.answers("/shop", answer(200, b"x" * 100_000))
    tried = send(request("GET", "/shop"), b"")
    assert (len(tried.body), tried.is_cut) == (65_536, True)
    monkeypatch.setattr("atoll.conf.gateway_url", lambda: "http://127.0.0.1:9")
    assert "No answer" in send(request("GET", "/shop"), b"").problem


@pytest.mark.parametrize("path", ["/admin/", "/admin", "/metrics", "/static/x", "/admin/login/"])
def test_the_places_of_operators_are_not_tried(running: Gateway, path: str) -> None:
    with pytest.raises(NotARequest, match="does not try"):
        send(request("GET", path), b"")


@pytest.mark.parametrize(
    "line", ["X-Forwarded-For: 10.0.0.1", "Transfer-Encoding: chunked", "Content-Length: 9", "Connection: x"]
)
def test_fields_of_connections_and_of_the_gateway_are_not_sent(running: Gateway, line: str) -> None:
    with pytest.raises(NotARequest, match="is not sent"):
        send(request("GET", "/shop", line), b"")


# --- the page


def form(**fields: str) -> dict[str, str]:
    return {
        "method": "GET",
        "address": "/shop/1",
        "client": "203.0.113.7",
        "table": "published",
        "headers": "",
        "token": "",
        "body": "",
        **fields,
    }


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "caller", lambda asked, snapshot: None)


@pytest.mark.django_db
def test_the_page_explains_by_the_published_table_or_the_draft(running: Gateway, nobody: None) -> None:
    load_routes()
    page = signed_in(SUPPORT).post(PAGE, form(address="/api/products/1")).content.decode()

    assert "Goes to the route products" in page
    assert "GET /products/1" in page
    assert "Instances of product-service" in page
    assert "Why not another route" in page
    assert "by version 1" in page
    draft = signed_in(SUPPORT).post(PAGE, form(address="/x", table="draft")).content.decode()
    assert "Refused with 404" in draft
    assert "by the draft" in draft


@pytest.mark.django_db
def test_a_link_of_the_list_of_routes_fills_in_the_form(running: Gateway) -> None:
    load_routes()
    browser = signed_in(SUPPORT)
    shown = browser.get("/admin/gateway/route/").content.decode()
    link = re.search(r'href="(/admin/gateway/explain/\?[^"]+address=%2Fapi%2Forders[^"]*)"', shown)
    assert link
    page = browser.get(link[1].replace("&amp;", "&")).content.decode()
    assert 'value="/api/orders"' in page
    assert browser.get("/admin/gateway/explain/?method=NOTHING&address=%ff").status_code == 200


@pytest.mark.django_db
def test_operators_may_try_and_support_may_not(running: Gateway, upstream: Upstream, nobody: None) -> None:
    upstream.answers("/shop", answer(200, b"<script>alert(1)</script>"))
    load_routes()
    page = signed_in(SUPPORT).post(PAGE, form() | {"try": "1"}).content.decode()
    assert upstream.of("/shop") == []
    assert "Tried" not in page

    page = signed_in(OPERATOR).post(PAGE, form() | {"try": "1"}).content.decode()
    assert len(upstream.of("/shop")) == 1
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fields",
    [
        {"method": "TRACE"},
        {"address": ""},
        {"address": "//evil.test"},
        {"client": "nowhere"},
        {"headers": "x"},
        {"address": "/a\0"},
        {"headers": "A: \r\nB"},
    ],
)
def test_a_bad_form_is_shown_again_without_an_error_of_the_server(
    fields: dict[str, str], nobody: None
) -> None:
    load_routes()
    answered = signed_in(OPERATOR).post(PAGE, form(**fields) | {"try": "1"})
    assert answered.status_code in (200, 400)


@pytest.mark.django_db
def test_a_token_is_verified_by_the_authenticator_of_the_edge(
    running: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_routes()
    documents = {KEYS_PATH: jwks(), REVOCATIONS_PATH: {"revocations": []}}
    monkeypatch.setattr("gateway.explain.callers._get", documents.__getitem__)
    page = signed_in(SUPPORT).post(PAGE, form(address="/api/orders", token=access_token(ADA, ("support",))))
    assert "with the roles support" in page.content.decode()
    page = signed_in(SUPPORT).post(PAGE, form(address="/api/orders", token="rubbish"))
    assert "invalid_token" in page.content.decode()


@pytest.mark.parametrize(
    ("method", "hedge", "says"),
    [
        ("GET", {"after": "delay", "delay_ms": 40}, "Without an answer of order-service after 40 ms"),
        ("HEAD", {"after": "p95"}, "Without an answer of order-service after the p95"),
        ("GET", {"after": "never"}, None),
        ("DELETE", {"after": "delay"}, None),
    ],
)
def test_a_second_request_is_told(method: str, hedge: dict[str, Any], says: str | None) -> None:
    explanation = told(
        request(method, "/api/orders/7"),
        ORDERS | {"access": "public"},
        services=[{"name": "order-service", "hedge": hedge}],
    )

    text = steps(explanation).get("Second request")
    assert text is None if says is None else text is not None and text.startswith(says)


# --- trying as somebody


PASSWORD = "correct horse battery staple"


@pytest.fixture
def users(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> Upstream:
    """The upstream is the users service, too, which knows one password."""

    async def sign_in(seen: Any, reader: Any, writer: Any) -> None:
        given = json.loads(seen.body)
        if given["password"] != PASSWORD:
            writer.write(answer(401, b"{}"))
            return
        token = access_token(ADA, ("operator",), email=given["email"])
        writer.write(answer(200, json.dumps({"accessToken": token, "refreshToken": "its-refresh"}).encode()))

    upstream.behaviours["/auth/token"] = sign_in
    upstream.answers("/auth/logout", answer(204, b""))
    monkeypatch.setenv("USER_SERVICE_URL", f"http://127.0.0.1:{upstream.port}")
    documents = {KEYS_PATH: jwks(), REVOCATIONS_PATH: {"revocations": []}}
    monkeypatch.setattr("gateway.explain.callers._get", documents.__getitem__)
    return upstream


@pytest.mark.django_db
def test_a_request_is_explained_as_me_without_a_password(running: Gateway, users: Upstream) -> None:
    load_routes()
    page = signed_in(SUPPORT).post(PAGE, form(address="/api/orders", caller="me")).content.decode()

    assert "with the roles support" in page
    assert "Goes to the route orders" in page
    assert users.of("/auth") == []


@pytest.mark.django_db
def test_an_operator_tries_as_themselves_and_the_sign_in_ends_with_it(
    running: Gateway, users: Upstream
) -> None:
    load_routes()
    browser = signed_in(OPERATOR)
    sent = form(address="/api/orders/7?secret=1", caller="me", password=PASSWORD) | {"try": "1"}
    answered = browser.post(PAGE, sent)
    page = answered.content.decode()

    assert answered.headers["Cache-Control"].startswith("no-store")
    assert "200 OK" in page
    [seen] = users.of("/orders")
    assert str(seen.header("authorization")).startswith("Bearer ey")
    assert PASSWORD not in page
    [ended] = users.of("/auth/logout")
    assert json.loads(ended.body) == {"refreshToken": "its-refresh"}
    entry = LogEntry.objects.get()
    assert entry.change_message == "tried GET /api/orders/7 as themselves: answered 200"
    assert entry.object_repr == "orders"
    assert Route.objects.get(pk=entry.object_id).name == "orders"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("password", "problem"),
    [("", "Needed, since the request is sent with a token of yours"), ("wrong", "not the password")],
)
def test_without_my_password_nothing_is_sent_as_me(
    running: Gateway, users: Upstream, password: str, problem: str
) -> None:
    load_routes()
    sent = form(address="/api/orders/7", caller="me", password=password) | {"try": "1"}

    assert problem in signed_in(OPERATOR).post(PAGE, sent).content.decode()
    assert users.of("/orders") == []
    assert not LogEntry.objects.exists()


@pytest.mark.django_db
def test_while_users_is_away_nothing_is_sent_as_me(
    running: Gateway, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER_SERVICE_URL", "http://127.0.0.1:9")
    load_routes()
    sent = form(address="/api/orders/7", caller="me", password=PASSWORD) | {"try": "1"}

    assert "users service does not answer" in signed_in(OPERATOR).post(PAGE, sent).content.decode()
    assert upstream.of("/orders") == []


@pytest.mark.django_db
def test_what_may_change_something_is_sent_after_a_confirmation_of_its_own(
    running: Gateway, upstream: Upstream, nobody: None
) -> None:
    load_routes()
    browser = signed_in(OPERATOR)
    sent = form(method="DELETE", address="/shop/1") | {"try": "1"}
    assert "Nothing was sent. DELETE is really done" in browser.post(PAGE, sent).content.decode()
    assert upstream.of("/shop") == []

    page = browser.post(PAGE, sent | {"confirm": "on"}).content.decode()
    assert [seen.method for seen in upstream.of("/shop")] == ["DELETE"]
    assert 'name="confirm"' in page
    assert re.search(r'name="confirm"[^>]*\schecked[\s/>]', page) is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"caller": "credential"}, "Paste the token or the key"),
        ({"caller": "me", "token": "x"}, "Leave this empty, or choose it above"),
        ({"caller": "everybody"}, "Select a valid choice"),
    ],
)
def test_a_sender_that_is_not_clear_is_asked_for_again(
    running: Gateway, upstream: Upstream, nobody: None, fields: dict[str, str], problem: str
) -> None:
    load_routes()

    assert problem in signed_in(OPERATOR).post(PAGE, form(**fields) | {"try": "1"}).content.decode()
    assert upstream.of("/shop") == []


@pytest.mark.django_db
def test_the_instance_that_answered_is_told_from_the_request_log(
    running: Gateway, upstream: Upstream, nobody: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_routes()

    def send_and_log(asked: Asked, body: bytes) -> Any:
        tried = send(asked, body)
        until(lambda: any(one.correlation_id == tried.correlation_id for one in running.entries))
        recording.store([one for one in running.entries if one.correlation_id == tried.correlation_id])
        return tried

    monkeypatch.setattr(explaining, "send", send_and_log)
    page = signed_in(OPERATOR).post(PAGE, form() | {"try": "1"}).content.decode()

    assert "answered by product-service-0" in page
    assert "/admin/gateway/requestlog/?q=" in page


@pytest.mark.django_db
def test_support_tries_nothing_whoever_they_say_to_be(running: Gateway, users: Upstream) -> None:
    load_routes()
    sent = form(address="/api/orders/7", caller="me", password=PASSWORD) | {"try": "1"}
    signed_in(SUPPORT).post(PAGE, sent)

    assert users.of("/orders") == []
    assert users.of("/auth") == []

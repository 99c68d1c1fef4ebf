"""The fields of a client, and those that a service gets."""

from collections.abc import Callable

import pytest

from atoll.addresses import bucket, networks
from atoll.testing.tokens import access_token
from gateway.edge.addresses import client
from gateway.edge.headers import identity
from gateway.tests.harness import Gateway, row
from gateway.tests.upstream import Upstream, answer

USER = "0197f1c0-0000-7000-8000-000000000001"
SPOOFS = [
    "X-User-ID: evil",
    "X-User-Roles: admin",
    "x-user-anything: evil",
    "X_User_ID: evil",
    "X_User-ID: evil",
    "X-User_ID: evil",
    "X.User.ID: evil",
    "X_Forwarded_For: 6.6.6.6",
    "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-Prefix: /evil",
    "X-Forwarded-Port: 666",
    "Forwarded: for=6.6.6.6",
    "X-Real-IP: 6.6.6.6",
    "X-Original-URL: /staff",
    "X-HTTP-Method-Override: DELETE",
    "X-Service-Name: evil",
    "X-Atoll-Anything: evil",
    "X-Deadline-Ms: 666666",
    "Proxy-Authorization: evil",
    "TE: evil",
    "Keep-Alive: evil",
    "Script_Name: /evil",
]


@pytest.mark.parametrize("field", SPOOFS)
def test_what_only_the_gateway_may_say_is_dropped(gateway: Gateway, upstream: Upstream, field: str) -> None:
    value = field.partition(": ")[2]
    gateway.raw(f"GET /open/x HTTP/1.1\r\nHost: x\r\nX-Mine: kept\r\n{field}\r\n\r\n".encode())

    headers = upstream.seen[-1].headers
    assert ("x-mine", "kept") in headers
    assert [v for _, v in headers if v == value] == []
    assert [n for n, _ in headers if "_" in n or "." in n] == []


def test_a_signed_in_users_identity_is_added_once_whatever_the_client_sent(
    gateway: Gateway, upstream: Upstream
) -> None:
    token = access_token(USER, ["support", "admin", "bad role\r\nX-Evil: 1"])
    gateway.raw(
        b"GET /mine/x HTTP/1.1\r\nHost: x\r\nX-User-ID: evil\r\nx-user-id: evil\r\nX_USER_ID: evil\r\n"
        b"Connection: X-User-ID, x-user-roles, x-correlation-id, authorization\r\n"
        b"Authorization: Bearer %b\r\n\r\n" % token.encode()
    )

    seen = upstream.seen[-1]
    assert seen.header("x-user-id") == USER
    assert seen.header("x-user-roles") == '["admin","support"]'
    assert seen.header("x-evil") is None
    assert seen.header("x-correlation-id") is not None
    assert seen.header("connection") is None


def test_fields_that_connection_names_go_no_further(gateway: Gateway, upstream: Upstream) -> None:
    gateway.get("/open/x", Connection="close, X-Secret", X_Secret="1", X_Other="2")

    assert upstream.seen[-1].header("x-secret") is None
    assert upstream.seen[-1].header("x-other") == "2"


def test_forwarding_fields_are_made_anew(gateway: Gateway, upstream: Upstream) -> None:
    gateway.get("/open/x", X_Forwarded_For="6.6.6.6", X_Forwarded_Host="evil", X_Forwarded_Proto="https")

    seen = upstream.seen[-1]
    assert seen.header("x-forwarded-for") == "127.0.0.1"
    assert seen.header("x-forwarded-host") == "gateway.test"
    assert seen.header("x-forwarded-proto") == "http"
    assert seen.header("x-service-name") == "api-gateway"
    assert seen.header("host") == f"127.0.0.1:{upstream.port}"


def test_a_trusted_proxy_may_say_who_the_client_is(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    gateway = make_gateway(row("open", "/open"), trusted_proxies=networks("127.0.0.0/8"))
    gateway.get("/open/x", X_Forwarded_For="6.6.6.6, 9.9.9.9", X_Forwarded_Proto="https")

    assert upstream.seen[-1].header("x-forwarded-for") == "9.9.9.9"
    assert upstream.seen[-1].header("x-forwarded-proto") == "https"


@pytest.mark.parametrize("offered", ["abc-12345", "A" * 64])
def test_a_well_formed_correlation_id_is_carried_through(
    gateway: Gateway, upstream: Upstream, offered: str
) -> None:
    assert gateway.get("/open/x", X_Correlation_ID=offered).headers["x-correlation-id"] == offered
    assert upstream.seen[-1].header("x-correlation-id") == offered


@pytest.mark.parametrize("offered", ["short", "A" * 65, "has space in it", "<script>alert(1)</script>"])
def test_a_malformed_correlation_id_is_replaced(gateway: Gateway, upstream: Upstream, offered: str) -> None:
    made = gateway.get("/open/x", X_Correlation_ID=offered).headers["x-correlation-id"]

    assert made != offered and len(made) == 36
    assert upstream.seen[-1].header("x-correlation-id") == made


def test_each_hop_has_a_request_id_of_its_own(gateway: Gateway, upstream: Upstream) -> None:
    first = gateway.get("/open/x", X_Request_ID="mine").headers["x-request-id"]
    second = gateway.get("/open/x").headers["x-request-id"]

    assert len({first, second, "mine"}) == 3
    assert [seen.header("x-request-id") for seen in upstream.of("/open")] == [first, second]


def test_a_services_inner_fields_do_not_reach_the_client(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers(
        "/open",
        answer(
            200, b"{}", "Server: secret/1.0", "X-Response-Time: 9999ms", "Connection: X-Inner", "X-Inner: 1",
            "Access-Control-Allow-Origin: *", "X-Correlation-ID: evil-evil", "X-Kept: 1",
        ),
    )  # fmt: skip
    headers = gateway.get("/open/x").headers

    assert headers["x-kept"] == "1"
    assert "server" not in headers and "9999" not in headers["x-response-time"]
    assert "x-inner" not in headers and "access-control-allow-origin" not in headers
    assert headers["x-correlation-id"] != "evil-evil"


def test_links_lead_to_the_gateway_and_not_behind_it(gateway: Gateway, upstream: Upstream) -> None:
    inner = f"http://127.0.0.1:{upstream.port}"
    upstream.answers(
        "/products",
        answer(
            201, b"{}", f"Location: {inner}/products/7", 'Content-Location: /products/8',
            f'Link: <{inner}/products?page=2>; rel="next", <?page=1>; rel="first", <https://else.test/products>',
        ),
    )  # fmt: skip
    headers = gateway.get("/shop/x").headers

    assert headers["location"] == "/shop/7"
    assert headers["content-location"] == "/shop/8"
    assert headers["link"] == (
        '</shop?page=2>; rel="next", <?page=1>; rel="first", <https://else.test/products>'
    )


def test_length_and_chunks_together_are_refused(gateway: Gateway, upstream: Upstream) -> None:
    smuggled = b"0\r\n\r\nGET /staff/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    refused = gateway.raw(
        b"POST /open/x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n%b"
        % (len(smuggled), smuggled)
    )

    assert (refused.status, refused.json()["code"]) == (400, "framing")
    assert upstream.seen == []


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 3\r\nContent-Length: 5",
        b"Content-Length: +3",
        b"Content-Length: 3, 3",
        b"Content-Length: -1",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: chunked, identity",
        b"Transfer-Encoding : chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"X: a\r\n folded: b",
        b"X-Bad\x00: 1",
        b"X Bad: 1",
    ],
)
def test_unclear_framing_reaches_no_service(gateway: Gateway, upstream: Upstream, fields: bytes) -> None:
    before = len(upstream.seen)
    answer_ = gateway.raw(b"POST /open/x HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n\r\nabcde")

    assert answer_.status in (400, 501)
    assert len(upstream.seen) == before


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("10.0.0.1", "1.1.1.1", "1.1.1.1"),
        ("10.0.0.1", "6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
        ("10.0.0.1", "6.6.6.6, rubbish", "10.0.0.1"),
        ("8.8.8.8", "1.1.1.1", "8.8.8.8"),
        ("10.0.0.1", None, "10.0.0.1"),
    ],
)
def test_the_client_is_the_nearest_address_no_trusted_proxy_owns(
    peer: str, forwarded: str | None, expected: str
) -> None:
    assert client(peer, forwarded and forwarded.encode(), networks("10.0.0.0/8")) == expected


def test_an_ipv6_household_is_one_asker() -> None:
    assert bucket("2001:db8:1:2:3::4") == bucket("2001:db8:1:2:ffff::1") == "2001:db8:1:2::/64"
    assert bucket("::ffff:1.2.3.4") == bucket("1.2.3.4") == "1.2.3.4"


@pytest.mark.parametrize(
    ("roles", "listed"),
    [
        ([], "[]"),
        (["admin"], '["admin"]'),
        (["b", "a"], '["a","b"]'),
        (['x"]', "y\r\nx: z", "a,b", "ok:1"], '["ok:1"]'),
    ],
)
def test_roles_travel_as_a_json_array_that_nothing_can_break_out_of(roles: list[str], listed: str) -> None:
    assert identity("u-1", roles) == f"x-user-id: u-1\r\nx-user-roles: {listed}\r\n".encode()

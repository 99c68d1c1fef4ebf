"""A head that comes again on a connection is not read again. Everything else is decided anew."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from atoll.addresses import networks
from atoll.ids import uuid7
from atoll.testing.tokens import access_token
from gateway.tests.battery.client import Answer, Client
from gateway.tests.harness import Gateway, row, table, until
from gateway.tests.upstream import Upstream, answer

USER = "01920000-0000-7000-8000-000000000001"
DATED = "Date: Sun, 29 Nov 2026 06:00:00 GMT"


@contextmanager
def kept_open(gateway: Gateway) -> Iterator[Callable[[bytes], Answer]]:
    """Requests on one connection."""
    with Client(gateway.port) as client:

        def ask(data: bytes) -> Answer:
            client.send(data)
            return client.answer(data.partition(b" ")[0])

        yield ask


def request(target: str = "/open/x", method: str = "GET", *fields: str) -> bytes:
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: gateway.test", *fields, "", ""]).encode()


def test_each_request_has_ids_of_its_own(gateway: Gateway, upstream: Upstream) -> None:
    with kept_open(gateway) as ask:
        given = [ask(request()).fields for _ in range(3)]

    sent = [seen.header("x-request-id") for seen in upstream.seen]
    assert [one["x-request-id"] for one in given] == sent
    assert len(set(sent)) == 3
    assert len({one["x-correlation-id"] for one in given}) == 3


def test_the_same_fields_with_another_line_ask_for_another_place(
    gateway: Gateway, upstream: Upstream
) -> None:
    with kept_open(gateway) as ask:
        for target in ("/open/a", "/open/b?c=1", "/open/a", "/shop/7"):
            ask(request(target))

    assert [seen.target for seen in upstream.seen] == ["/open/a", "/open/b?c=1", "/open/a", "/products/7"]


def test_a_published_table_counts_for_the_next_request(gateway: Gateway, upstream: Upstream) -> None:
    with kept_open(gateway) as ask:
        ask(request())
        gateway.publish(table(row("open", "/open", service_path="/other"), version=2))
        ask(request())
        gateway.publish(table(row("else", "/else"), version=3))
        assert ask(request()).status == 404

    assert [seen.target for seen in upstream.seen] == ["/open/x", "/other/x"]
    assert [seen.header("x-forwarded-prefix") for seen in upstream.seen] == [None, None]


def test_a_revoked_token_is_refused_although_its_head_is_known(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    gateway = make_gateway(row("mine", "/mine", access="signed_in"))
    head = request("/mine/x", "GET", f"Authorization: Bearer {access_token(USER)}")
    with kept_open(gateway) as ask:
        assert [ask(head).status for _ in range(3)] == [200, 200, 200]
        upstream.revoked = {f"sub:{USER}": [int(time.time()) + 60, True]}
        until(lambda: ask(head).status == 403)


def test_two_callers_on_one_connection_are_told_apart(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    gateway = make_gateway(row("mine", "/mine", access="signed_in"))
    users = [f"01920000-0000-7000-8000-00000000000{number}" for number in (1, 2)]
    heads = [request("/mine/x", "GET", f"Authorization: Bearer {access_token(user)}") for user in users]
    with kept_open(gateway) as ask:
        for number in (0, 1, 1, 0):
            assert ask(heads[number]).status == 200
    asked = [seen.header("x-user-id") for seen in upstream.of("/mine")]
    assert asked == [users[number] for number in (0, 1, 1, 0)]


def test_a_route_that_asks_for_a_field_gets_the_requests_that_have_it(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    gateway = make_gateway(
        row("all", "/x"),
        row("beta", "/x", service_path="/beta", header_matches={"x-beta": "1"}),
    )
    with kept_open(gateway) as ask:
        for fields in ((), ("X-Beta: 1",), ("X-Beta: 2",), ("X-Beta: 1",), ()):
            ask(request("/x/y", "GET", *fields))
    assert [seen.target for seen in upstream.seen] == ["/x/y", "/beta/y", "/x/y", "/beta/y", "/x/y"]


def test_a_host_counts_although_the_line_is_known(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    gateway = make_gateway(row("all", "/x"), row("shop", "/x", service_path="/shop", hosts=["shop.test"]))
    with kept_open(gateway) as ask:
        for host in ("gateway.test", "shop.test", "gateway.test"):
            ask(f"GET /x/y HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert [seen.target for seen in upstream.seen] == ["/x/y", "/shop/y", "/x/y"]


def test_a_preflight_is_answered_after_an_options_request_with_the_same_line(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    gateway = make_gateway(row("open", "/open"), cors={"origins": ["https://shop.example"]})
    asked = ("Origin: https://shop.example", "Access-Control-Request-Method: GET")
    with kept_open(gateway) as ask:
        assert ask(request("/open/x", "OPTIONS")).status == 200
        assert ask(request("/open/x", "OPTIONS", *asked)).status == 204
        assert ask(request("/open/x", "OPTIONS")).status == 200
    assert len(upstream.seen) == 2


def test_an_unknown_expectation_is_refused_although_the_line_is_known(gateway: Gateway) -> None:
    with kept_open(gateway) as ask:
        assert ask(request()).status == 200
        assert ask(request("/open/x", "GET", "Expect: magic")).status == 417


def test_a_private_page_is_closed_to_the_next_client_behind_a_proxy(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    """The line is the same, and the address in the fields decides."""
    gateway = make_gateway(
        row("all", "/", service_path=""),
        trusted_proxies=networks("127.0.0.0/8"),
        metrics_networks=networks("10.0.0.0/8"),
    )
    with kept_open(gateway) as ask:
        found = [
            ask(request("/metrics", "GET", f"X-Forwarded-For: {address}")).status
            for address in ("10.0.0.1", "192.0.2.1", "10.0.0.1", "192.0.2.1")
        ]
    assert found == [200, 404, 200, 404]
    assert upstream.seen == []


def test_clients_behind_a_proxy_are_told_apart(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    gateway = make_gateway(row("open", "/open"), trusted_proxies=networks("127.0.0.0/8"))
    addresses = ["192.0.2.1", "192.0.2.2", "192.0.2.1"]
    with kept_open(gateway) as ask:
        for address in addresses:
            ask(request("/open/x", "GET", f"X-Forwarded-For: {address}"))
    assert [seen.header("x-forwarded-for") for seen in upstream.seen] == addresses


def test_a_limit_counts_each_request(make_gateway: Callable[..., Gateway]) -> None:
    name = f"few-{uuid7()}"  # the store keeps its buckets from one test to the next
    gateway = make_gateway(row(name, "/few", rate_limit=3))
    with kept_open(gateway) as ask:
        answers = [ask(request("/few/x")) for _ in range(5)]
    assert [one.status for one in answers] == [200, 200, 200, 429, 429]
    assert [one.fields["ratelimit"].split(";")[1] for one in answers[:3]] == ["r=2", "r=1", "r=0"]
    assert {one.fields["ratelimit-policy"] for one in answers} == {f'"{name}";q=3;w=60'}


def test_one_answer_head_with_other_bodies(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers("/open", *(answer(200, body, DATED) for body in (b"first", b"other", b"third")))
    with kept_open(gateway) as ask:
        assert [ask(request()).body for _ in range(3)] == [b"first", b"other", b"third"]
    assert upstream.connections == 1


def test_one_answer_head_after_head_and_get(gateway: Gateway, upstream: Upstream) -> None:
    """The head is the same, and only one of both answers has a body."""
    whole = answer(200, b"12345", DATED)
    upstream.answers("/open", whole[:-5], whole, whole[:-5], whole)
    with kept_open(gateway) as ask:
        for method in ("HEAD", "GET", "HEAD", "GET"):
            answered = ask(request("/open/x", method))
            assert (answered.status, answered.fields["content-length"]) == (200, "5")
            assert answered.body == (b"12345" if method == "GET" else b"")
    assert upstream.connections == 1


def test_one_answer_head_in_chunks(gateway: Gateway, upstream: Upstream) -> None:
    head = f"HTTP/1.1 200 OK\r\n{DATED}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    bodies = [b"a", b"bc", b"d"]
    upstream.answers("/open", *(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(one), one) for one in bodies))
    with kept_open(gateway) as ask:
        assert [ask(request()).body for _ in bodies] == bodies
    assert upstream.connections == 1


def test_one_answer_head_with_a_place_of_the_service(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers("/products", answer(201, b"{}", DATED, "Location: /products/9"))
    with kept_open(gateway) as ask:
        assert [ask(request("/shop/x")).fields["location"] for _ in range(3)] == ["/shop/9"] * 3


def test_a_refused_head_is_not_remembered(gateway: Gateway) -> None:
    with Client(gateway.port) as client:
        client.send(request() + b"GET /open/x HTTP/1.1\r\nHost : x\r\n\r\n")
        assert [client.answer().status for _ in range(2)] == [200, 400]

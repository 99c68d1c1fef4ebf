"""Several instances, some of which fail: choice, retries, breakers and recovery."""

import asyncio
from collections.abc import Callable

import pytest

from atoll.client.budget import Budget
from gateway.edge.composition import Place
from gateway.edge.upstream import balance
from gateway.edge.upstream.breaker import Breaker
from gateway.tests.harness import NOBODY, Clock, Gateway, row, table, until
from gateway.tests.upstream import Seen, Upstream, answer

MakeUpstream = Callable[[], Upstream]


async def drop(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


def test_without_an_instance_it_is_503_with_a_clear_body(gateway: Gateway) -> None:
    gateway.knows("product-service")
    answer_ = gateway.get("/open/x")

    assert answer_.status == 503
    assert answer_.json()["error"] == "Service temporarily unavailable"
    assert answer_.json()["code"] == "no_instance"
    assert answer_.headers["retry-after"] == "1"


def test_a_service_that_is_gone_is_503(gateway: Gateway) -> None:
    gateway.knows("product-service", NOBODY)
    answer_ = gateway.request("POST", "/open/x", b"{}")

    assert (answer_.status, answer_.json()["error"]) == (503, "Service temporarily unavailable")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_instance_that_cannot_be_reached_is_passed_over_for_any_method(
    gateway: Gateway, upstream: Upstream, method: str
) -> None:
    gateway.knows("product-service", NOBODY, upstream)

    assert [gateway.request(method, "/open/x", b"{}").status for _ in range(8)] == [200] * 8
    assert len(upstream.of("/open")) == 8


@pytest.mark.parametrize(
    ("method", "headers", "times"),
    [
        ("GET", {}, 4),
        ("PUT", {}, 4),
        ("POST", {}, 1),
        ("PATCH", {}, 1),
        ("POST", {"Idempotency-Key": "a"}, 4),
    ],
)
def test_only_what_is_safe_to_repeat_is_repeated(
    gateway: Gateway, upstream: Upstream, method: str, headers: dict[str, str], times: int
) -> None:
    upstream.behaviours["/open"] = drop

    assert gateway.request(method, "/open/x", b"{}", headers).status == 503
    assert len(upstream.of("/open")) == times


STREAMED = 2_000_000


def test_a_body_that_streams_goes_elsewhere_while_nothing_of_it_was_sent(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    gateway = make_gateway(row("open", "/open", max_body_bytes=STREAMED))
    gateway.knows("product-service", NOBODY, upstream)
    answers = [gateway.request("POST", "/open/x", b"x" * STREAMED) for _ in range(6)]

    assert [answer_.json()["bytes"] for answer_ in answers] == [STREAMED] * 6


def test_a_body_that_streams_is_never_sent_twice(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    gateway = make_gateway(row("open", "/open", max_body_bytes=STREAMED))
    upstream.behaviours["/open"] = drop

    assert gateway.request("PUT", "/open/x", b"x" * STREAMED).status == 503
    assert len(upstream.of("/open")) == 1


def test_connections_that_went_stale_are_replaced_without_the_client_noticing(
    gateway: Gateway, upstream: Upstream
) -> None:
    for _ in range(5):
        assert gateway.get("/open/x").status == 200
        upstream.drop_idle_connections()
        assert gateway.get("/open/x").status == 200
    assert gateway.components.directory.upstream("product-service").breaker.closed


def test_a_503_of_one_instance_is_asked_of_another_when_that_is_safe(
    gateway: Gateway, upstream: Upstream, make_upstream: MakeUpstream
) -> None:
    ill = make_upstream()
    ill.answers("/open", answer(503, b"{}"))
    gateway.knows("product-service", ill, upstream)

    assert {gateway.get("/open/x").status for _ in range(6)} == {200}
    posts = [gateway.request("POST", "/open/post", b"{}").status for _ in range(12)]
    assert posts.count(503) == len(ill.of("/open/post"))
    assert posts.count(200) == len(upstream.of("/open/post"))


def test_after_five_failures_nobody_is_asked_until_a_probe_succeeds(
    gateway: Gateway, upstream: Upstream
) -> None:
    upstream.answers("/open", answer(503, b"{}"))
    assert [gateway.get("/open/x").status for _ in range(5)] == [503] * 5

    refused = gateway.get("/open/x")
    assert (refused.status, refused.json()["code"]) == (503, "circuit_open")
    assert refused.headers["retry-after"] == "1"
    assert len(upstream.of("/open")) == 5

    gateway.clock.now += 1
    assert gateway.get("/open/x").json() == {}
    assert gateway.get("/open/x").headers["retry-after"] == "2"
    assert len(upstream.of("/open")) == 6

    gateway.clock.now += 2
    upstream.answers("/open", answer(200, b'{"well": true}'))
    assert [gateway.get("/open/x").json() for _ in range(3)] == [{"well": True}] * 3


def test_a_service_that_had_failed_is_asked_again_as_soon_as_a_new_instance_is_there(
    gateway: Gateway, upstream: Upstream
) -> None:
    gateway.knows("product-service", NOBODY)
    until(lambda: gateway.get("/open/x").json()["code"] == "circuit_open")
    gateway.knows("product-service", NOBODY)
    assert gateway.get("/open/x").json()["code"] == "circuit_open"

    gateway.knows("product-service", NOBODY, upstream)
    assert [gateway.request("POST", "/open/x", b"{}").status for _ in range(3)] == [200] * 3


def test_a_500_is_an_answer_and_opens_nothing(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers("/open", answer(500, b"{}"))

    assert [gateway.get("/open/x").status for _ in range(10)] == [500] * 10


def test_one_ill_instance_loses_its_traffic_and_the_service_keeps_it(
    gateway: Gateway, upstream: Upstream, make_upstream: MakeUpstream
) -> None:
    ill = make_upstream()
    ill.answers("/open", answer(502, b"{}"))
    gateway.knows("product-service", ill, upstream)
    until(lambda: gateway.get("/open/x").status and len(ill.of("/open")) >= 5)
    asked = len(ill.of("/open"))

    assert {gateway.request("POST", "/open/x", b"{}").status for _ in range(20)} == {200}
    assert len(ill.of("/open")) == asked


def test_a_service_working_at_its_limit_refuses_at_once(gateway: Gateway, upstream: Upstream) -> None:
    document = table(row("open", "/open"), version=2)
    gateway.publish(document | {"services": [{"name": "product-service", "max_in_flight": 1}]})
    hanging = asyncio.Event()

    async def hang(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await hanging.wait()
        writer.close()

    upstream.behaviours["/open/hang"] = hang
    first = gateway.connect()
    first.sendall(b"POST /open/hang HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n")
    until(lambda: upstream.of("/open/hang"))

    assert gateway.get("/open/x").json()["code"] == "overloaded"
    assert not upstream.of("/open/x")
    first.close()


@pytest.mark.parametrize(("limit", "processes", "share"), [(400, 1, 400), (400, 3, 134), (1, 4, 1)])
def test_the_processes_of_a_gateway_share_a_services_requests_in_flight(
    make_gateway: Callable[..., Gateway], limit: int, processes: int, share: int
) -> None:
    gateway = make_gateway(row("open", "/open"), place=Place(1, processes))
    document = table(row("open", "/open"), version=2)
    gateway.publish(document | {"services": [{"name": "product-service", "max_in_flight": limit}]})

    assert gateway.components.directory.upstream("product-service").max_in_flight == share


def test_a_breaker_lets_one_probe_through_at_a_time() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(5):
        assert breaker.may_ask()
        breaker.failed(breaker.asked())
    assert (breaker.state, breaker.may_ask(), breaker.wait_s()) == ("open", False, 1.0)

    clock.now += 1
    assert (breaker.state, breaker.may_ask()) == ("half-open", True)
    probe = breaker.asked()
    assert probe and not breaker.may_ask()
    breaker.succeeded(probe)
    assert (breaker.state, breaker.may_ask()) == ("closed", True)


def test_the_rest_doubles_while_probes_fail_and_starts_small_the_next_time() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(5):
        breaker.failed(breaker.asked())
    rests = []
    for _ in range(8):
        rests.append(breaker.wait_s())
        clock.now += rests[-1]
        breaker.failed(breaker.asked())
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60]

    clock.now += 60
    breaker.succeeded(breaker.asked())
    for _ in range(5):
        breaker.failed(breaker.asked())
    assert breaker.wait_s() == 1


def test_a_success_in_between_starts_the_count_anew() -> None:
    breaker = Breaker(Clock())
    for _ in range(4):
        breaker.failed(breaker.asked())
    breaker.succeeded(breaker.asked())
    for _ in range(4):
        breaker.failed(breaker.asked())
    assert breaker.closed


def test_retries_are_a_bounded_share_of_the_requests() -> None:
    clock = Clock()
    budget = Budget(clock)
    assert [budget.withdraw() for _ in range(11)] == [True] * 10 + [False]
    for _ in range(10):
        budget.deposit()
    assert [budget.withdraw() for _ in range(3)] == [True, True, False]
    clock.now += 3
    assert [budget.withdraw() for _ in range(4)] == [True, True, True, False]


def test_the_less_loaded_of_two_is_chosen_by_its_weight(gateway: Gateway, upstream: Upstream) -> None:
    gateway.knows("product-service", upstream, upstream)
    one, two = gateway.components.directory.upstream("product-service").endpoints
    one.in_flight, two.in_flight, two.weight = 5, 1, 0.1

    assert {balance.two_choices([one, two]) for _ in range(20)} == {one}
    two.weight = 1
    assert {balance.two_choices([one, two]) for _ in range(20)} == {two}
    assert balance.two_choices([two]) is two


def test_an_instance_that_stays_keeps_its_connections(gateway: Gateway, upstream: Upstream) -> None:
    assert gateway.get("/open/x").status == 200
    gateway.knows("product-service", upstream)
    gateway.publish(table(row("open", "/open"), version=2))

    assert gateway.get("/open/x").status == 200
    assert upstream.connections == 1

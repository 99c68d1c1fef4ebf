"""A second instance is asked when the first is slow: the first answer wins, and nobody is blamed."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from atoll.client.policy import MAX_SAVED_RETRIES
from gateway.edge.upstream.directory import Upstream as Service
from gateway.edge.upstream.hedging import COMPUTE_EVERY, LEAST_MEASURED, REMEMBERED, Hedging
from gateway.edge.upstream.settings import Hedge
from gateway.tests.harness import Gateway, row, table, until
from gateway.tests.upstream import Seen, Upstream, answer

MakeUpstream = Callable[[], Upstream]
SERVICE = "product-service"
PATH = "/open/x"


class Held:
    """Instances that answer when the test says so, with ``raw``; without it they drop the connection."""

    def __init__(self, *upstreams: Upstream, raw: bytes = b"") -> None:
        self.may_answer = threading.Event()
        self.broken_off = 0
        self.raw = raw
        for upstream in upstreams:
            upstream.behaviours["/open"] = self._behave

    async def _behave(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not self.may_answer.is_set():
            if reader.at_eof() or reader.exception() is not None:
                self.broken_off += 1
                raise ConnectionError
            await asyncio.sleep(0.005)
        if self.raw:
            writer.write(self.raw)
        else:
            writer.close()


def hedged(gateway: Gateway, *upstreams: Upstream, version: int = 2, **hedge: Any) -> Service:
    settings = {"after": "delay", "delay_ms": 20} | hedge
    document = table(row("open", "/open", max_body_bytes=10_000_000), version=version)
    gateway.publish(
        document | {"services": [{"name": SERVICE, "strategy": "round-robin", "hedge": settings}]}
    )
    gateway.knows(SERVICE, *upstreams)
    return gateway.components.directory.upstream(SERVICE)


def metric(gateway: Gateway, name: str) -> str:
    text = gateway.get("/metrics").body.decode()
    return next(line for line in text.splitlines() if line.startswith(f'{name}{{service="{SERVICE}"}}'))


@pytest.fixture
def slow(make_upstream: MakeUpstream) -> Upstream:
    return make_upstream()


def test_the_second_instance_answers_for_a_slow_one_which_is_not_blamed(
    gateway: Gateway, upstream: Upstream, slow: Upstream
) -> None:
    held = Held(slow)
    service = hedged(gateway, slow, upstream)
    answers = [gateway.get(PATH) for _ in range(8)]

    assert {one.status for one in answers} == {200}
    until(lambda: held.broken_off == len(slow.of("/open")) > 0)
    assert service.hedging.sent == service.hedging.won == len(slow.of("/open"))
    until(lambda: not service.in_flight and not any(one.in_flight for one in service.endpoints))
    ill = service.endpoints[0]
    assert (ill.breaker.closed, ill.asked, ill.failed) == (True, 0, 0)
    assert metric(gateway, "gateway_hedges_total").endswith(f" {float(service.hedging.sent)}")
    assert metric(gateway, "gateway_hedges_won_total").endswith(f" {float(service.hedging.won)}")


def test_the_first_may_still_win_and_the_second_is_broken_off(
    gateway: Gateway, make_upstream: MakeUpstream
) -> None:
    two = [make_upstream(), make_upstream()]
    first = Held(two[0], raw=answer(200, b'"first"'))
    second = Held(two[1])
    service = hedged(gateway, *two)
    with gateway.connect() as client:
        client.sendall(b"GET /open/x HTTP/1.1\r\nHost: a.test\r\n\r\n")
        until(lambda: two[0].of("/open") and two[1].of("/open"))
        first.may_answer.set()
        assert b'"first"' in client.recv(65536)

    until(lambda: second.broken_off == 1)
    assert (service.hedging.sent, service.hedging.won) == (1, 0)


@pytest.mark.parametrize(
    ("method", "body"), [("POST", b"{}"), ("POST", None), ("PUT", None), ("DELETE", None), ("GET", b"{}")]
)
def test_other_requests_are_sent_once(
    gateway: Gateway, upstream: Upstream, slow: Upstream, method: str, body: bytes | None
) -> None:
    held = Held(slow, upstream, raw=answer(200, b"{}"))
    service = hedged(gateway, slow, upstream, delay_ms=1)
    asking = threading.Thread(target=gateway.request, args=(method, PATH, body))
    asking.start()
    until(lambda: service.in_flight)
    # A request that is hedged, sent later, shows that the delay of the other is over.
    with gateway.connect() as client:
        client.sendall(b"GET /open/probe HTTP/1.1\r\nHost: a.test\r\n\r\n")
        until(lambda: service.hedging.sent == 1)
        held.may_answer.set()
        assert client.recv(65536)
    asking.join()

    assert len(slow.of(PATH)) + len(upstream.of(PATH)) == 1


def test_by_default_nothing_is_sent_twice(gateway: Gateway) -> None:
    service = gateway.components.directory.upstream(SERVICE)

    assert not service.hedging.is_on


def test_a_failure_decides_nothing_while_the_other_still_runs(
    gateway: Gateway, make_upstream: MakeUpstream
) -> None:
    two = [make_upstream(), make_upstream()]
    ill = Held(two[0], raw=answer(503, b"{}"))
    well = Held(two[1], raw=answer(200, b'"well"'))
    service = hedged(gateway, *two)
    with gateway.connect() as client:
        client.sendall(b"GET /open/x HTTP/1.1\r\nHost: a.test\r\n\r\n")
        until(lambda: two[1].of("/open"))
        ill.may_answer.set()
        until(lambda: gateway.run(lambda: any(one.status == 503 for one in gateway.components.pool._busy)))
        well.may_answer.set()
        assert b'"well"' in client.recv(65536)
    until(lambda: not service.in_flight)

    assert service.endpoints[0].failed == 1


@pytest.mark.parametrize("raw", [answer(503, b"{}"), b""])
def test_when_both_fail_the_client_gets_a_failure_and_nothing_is_left_running(
    gateway: Gateway, make_upstream: MakeUpstream, raw: bytes
) -> None:
    two = [make_upstream(), make_upstream()]
    held = Held(*two, raw=raw)
    service = hedged(gateway, *two)
    with gateway.connect() as client:
        client.sendall(b"GET /open/x HTTP/1.1\r\nHost: a.test\r\n\r\n")
        until(lambda: two[0].of("/open") and two[1].of("/open"))
        held.may_answer.set()
        assert client.recv(65536).startswith(b"HTTP/1.1 503")

    until(lambda: not service.in_flight)


def test_a_client_that_leaves_ends_both(gateway: Gateway, make_upstream: MakeUpstream) -> None:
    two = [make_upstream(), make_upstream()]
    held = Held(*two)
    service = hedged(gateway, *two)
    with gateway.connect() as client:
        client.sendall(b"GET /open/x HTTP/1.1\r\nHost: a.test\r\n\r\n")
        until(lambda: two[0].of("/open") and two[1].of("/open"))

    until(lambda: held.broken_off == 2)
    until(lambda: not service.in_flight)


def test_second_requests_come_out_of_the_retry_budget(
    gateway: Gateway, upstream: Upstream, slow: Upstream
) -> None:
    Held(slow)
    service = hedged(gateway, slow, upstream)
    gateway.run(lambda: [service.budget.withdraw() for _ in range(MAX_SAVED_RETRIES)])
    service.endpoints[1].turn = -1  # the slow one gets the request
    with gateway.connect() as client:
        client.sendall(b"GET /open/x HTTP/1.1\r\nHost: a.test\r\n\r\n")
        until(lambda: slow.of("/open"))
        gateway.clock.now += 0.5
        hedged_later = threading.Event()
        gateway.run(lambda: gateway.loop.call_later(0.05, hedged_later.set))
        assert hedged_later.wait(5)
        assert (service.hedging.sent, service.in_flight) == (0, 1)


def test_one_instance_alone_is_not_asked_twice(gateway: Gateway, slow: Upstream) -> None:
    held = Held(slow, raw=answer(200, b"{}"))
    service = hedged(gateway, slow, delay_ms=1)
    with gateway.connect() as client:
        client.sendall(b"GET /open/x HTTP/1.1\r\nHost: a.test\r\n\r\n")
        until(lambda: slow.of("/open"))
        over = threading.Event()
        gateway.run(lambda: gateway.loop.call_later(0.05, over.set))
        assert over.wait(5)
        held.may_answer.set()
        assert client.recv(65536).startswith(b"HTTP/1.1 200")

    assert (len(slow.of("/open")), service.hedging.sent) == (1, 0)


def test_the_p95_is_that_of_the_last_requests() -> None:
    hedging = Hedging()
    hedging.configure(Hedge("p95"))
    for _ in range(LEAST_MEASURED - 1):
        hedging.measure(0.010)
    assert hedging.delay_s is None  # too little is known

    for index in range(REMEMBERED):
        hedging.measure(1.0 if index % 25 == 0 else 0.020)
    assert hedging.delay_s == 0.020
    for _ in range(REMEMBERED + COMPUTE_EVERY):
        hedging.measure(0.005)
    assert hedging.delay_s == 0.005


def test_new_settings_measure_anew_and_equal_ones_do_not() -> None:
    hedging = Hedging()
    hedging.configure(Hedge("p95"))
    for _ in range(REMEMBERED):
        hedging.measure(0.010)
    hedging.configure(Hedge("p95"))
    assert hedging.delay_s == 0.010

    hedging.configure(Hedge("delay", 40))
    assert hedging.delay_s == 0.040
    hedging.configure(Hedge("p95"))
    assert hedging.delay_s is None


def test_with_the_p95_a_slow_one_is_hedged_once_enough_is_known(
    gateway: Gateway, upstream: Upstream, slow: Upstream
) -> None:
    service = hedged(gateway, slow, upstream, after="p95")
    for _ in range(LEAST_MEASURED + COMPUTE_EVERY):
        assert gateway.get(PATH).status == 200
    assert service.hedging.delay_s is not None
    Held(slow)

    assert {gateway.get(PATH).status for _ in range(4)} == {200}
    assert service.hedging.won > 0

"""One ill instance among well ones: it loses its traffic, and the service stays open."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atoll.client.failures import NoReply, NotSent, TimedOut
from atoll.client.policy import FAILURES_TO_OPEN, PROBE_TIMEOUT_S
from gateway.edge.upstream import outliers, verdicts
from gateway.edge.upstream.breaker import Breaker
from gateway.edge.upstream.failures import ClientGone, Dropped
from gateway.edge.upstream.outliers import Outliers
from gateway.edge.upstream.verdicts import Outcome
from gateway.tests.harness import NOBODY, Clock, Gateway, row, table, until
from gateway.tests.upstream import Seen, Upstream, answer

MakeUpstream = Callable[[], Upstream]
SERVICE = "product-service"


async def drop(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def hang(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


@pytest.mark.parametrize("kind", ["502", "503", "504", "drop", "nobody"])
def test_the_failures_of_one_instance_never_close_a_service_with_another(
    gateway: Gateway, upstream: Upstream, make_upstream: MakeUpstream, kind: str
) -> None:
    ill = NOBODY if kind == "nobody" else make_upstream()
    if kind == "drop":
        ill.behaviours["/open"] = drop
    elif kind != "nobody":
        ill.answers("/open", answer(int(kind), b"{}"))
    gateway.knows(SERVICE, ill, upstream)
    service = gateway.components.directory.upstream(SERVICE)
    # The load of the well one is made so high that the ill one gets the first requests in a row.
    service.endpoints[1].in_flight = 100
    answers = [gateway.request("POST", "/open/x", b"{}") for _ in range(4 * FAILURES_TO_OPEN)]

    assert not [one for one in answers if one.status == 503 and one.json().get("code") == "circuit_open"]
    assert [one.status for one in answers[FAILURES_TO_OPEN:]] == [200] * 3 * FAILURES_TO_OPEN
    assert (service.endpoints[0].breaker.closed, service.breaker.state) == (False, "closed")


def test_a_service_is_closed_when_all_its_instances_are_and_opens_with_the_first(
    gateway: Gateway, make_upstream: MakeUpstream
) -> None:
    two = [make_upstream() for _ in range(2)]
    for one in two:
        one.answers("/open", answer(503, b"{}"))
    gateway.knows(SERVICE, *two)
    until(lambda: gateway.get("/open/x").json().get("code") == "circuit_open")
    asked = sum(len(one.of("/open")) for one in two)
    assert gateway.get("/open/x").headers["retry-after"] == "1"
    assert sum(len(one.of("/open")) for one in two) == asked

    two[0].answers("/open", answer(200, b"{}"))
    gateway.clock.now += 1
    until(lambda: gateway.get("/open/x").status == 200)


def test_a_probe_whose_client_leaves_gives_its_place_back(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers("/open", answer(503, b"{}"))
    until(lambda: gateway.get("/open/x").json().get("code") == "circuit_open")
    gateway.clock.now += 1
    upstream.behaviours["/open/slow"] = hang
    upstream.behaviours["/open/well"] = upstream.behaviours.pop("/open")
    upstream.answers("/open/well", answer(200, b"{}"))
    with gateway.connect() as leaving:
        leaving.sendall(b"GET /open/slow HTTP/1.1\r\nHost: a.test\r\n\r\n")
        until(lambda: upstream.of("/open/slow"))
        assert gateway.get("/open/well").json()["code"] == "circuit_open"

    until(lambda: gateway.get("/open/well").status == 200)


def test_a_probe_that_stalls_gives_its_place_to_the_next_one(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers("/open", answer(503, b"{}"))
    until(lambda: gateway.get("/open/x").json().get("code") == "circuit_open")
    upstream.behaviours["/open/slow"] = hang
    upstream.behaviours["/open/well"] = upstream.behaviours.pop("/open")
    upstream.answers("/open/well", answer(200, b"{}"))
    gateway.clock.now += 1
    with gateway.connect() as stalling:
        stalling.sendall(b"GET /open/slow HTTP/1.1\r\nHost: a.test\r\n\r\n")
        until(lambda: upstream.of("/open/slow"))
        gateway.clock.now += PROBE_TIMEOUT_S - 0.1
        assert gateway.get("/open/well").json()["code"] == "circuit_open"

        gateway.clock.now += 0.1
        assert gateway.get("/open/well").status == 200


def test_stalled_uploads_open_no_breaker(gateway: Gateway, upstream: Upstream) -> None:
    gateway.publish(table(row("open", "/open", max_body_bytes=10_000_000), version=2))
    (endpoint,) = gateway.components.directory.upstream(SERVICE).endpoints
    for _ in range(2 * FAILURES_TO_OPEN):
        with gateway.connect() as stalled:
            stalled.sendall(
                b"PUT /open/x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 200_000
            )
            until(lambda: endpoint.in_flight == 1)
        until(lambda: not endpoint.in_flight)

    assert endpoint.breaker.closed
    assert gateway.get("/open/x").status == 200


@pytest.mark.parametrize(
    ("error", "request_sent", "outcome"),
    [
        (NotSent("no connection"), False, Outcome.FAILED),
        (NoReply("broken"), True, Outcome.FAILED),
        (NoReply("it closed during the upload"), False, Outcome.NOTHING),
        (TimedOut("slow"), True, Outcome.FAILED),
        (TimedOut("the client sent nothing"), False, Outcome.NOTHING),
        (Dropped("stale", reused=True), True, Outcome.NOTHING),
        (Dropped("crashed", reused=False), True, Outcome.FAILED),
        (ClientGone(), True, Outcome.NOTHING),
    ],
)
def test_only_what_the_instance_does_counts(
    error: BaseException, request_sent: bool, outcome: Outcome
) -> None:
    assert verdicts.of_error(error, given_s=5, timeout_s=5, request_sent=request_sent) is outcome


@pytest.mark.parametrize(
    ("status", "failure", "held_back", "outcome"),
    [
        (200, None, False, Outcome.WELL),
        (404, None, False, Outcome.WELL),
        (500, None, False, Outcome.BROKEN),
        (503, None, False, Outcome.FAILED),
        (200, NoReply("cut off"), False, Outcome.FAILED),
        (200, NoReply("cut off"), True, Outcome.NOTHING),
        (200, ClientGone(), False, Outcome.WELL),
    ],
)
def test_an_answer_counts_by_its_status_and_its_end(
    status: int, failure: BaseException | None, held_back: bool, outcome: Outcome
) -> None:
    assert verdicts.of_answer(status, failure, held_back=held_back) is outcome


def test_the_late_failure_of_a_probe_before_the_last_verdict_does_not_lengthen_the_rest() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed(breaker.asked())
    clock.now += 1
    stalled = breaker.asked()
    clock.now += PROBE_TIMEOUT_S
    breaker.failed(breaker.asked())
    assert breaker.wait_s() == 2
    breaker.failed(stalled)
    assert breaker.wait_s() == 2


@dataclass
class One:
    id: str
    asked: int = 0
    failed: int = 0
    ejections: int = 0
    ejected_until: float = 0.0


def count(found: Outliers, endpoint: One, endpoints: list[One], *, failed: bool) -> bool:
    endpoint.asked += 1
    return failed and found.count_failure(endpoint, endpoints)


def test_an_instance_that_fails_a_third_beside_well_peers_is_out_for_a_growing_time() -> None:
    clock = Clock()
    found, three = Outliers(clock), [One("ill"), One("b"), One("c")]
    times = []
    for _ in range(7):
        while clock.now >= three[0].ejected_until:
            for turn in range(60):
                count(found, three[turn % 3], three, failed=turn % 9 == 0)
            clock.now += 0.1
        times.append(round(three[0].ejected_until - clock.now, 0))
        clock.now = three[0].ejected_until
    assert times == [10, 20, 40, 80, 160, 300, 300]

    clock.now += outliers.LAST_EJECTION_S + 1
    while clock.now >= three[0].ejected_until:
        for turn in range(60):
            count(found, three[turn % 3], three, failed=turn % 9 == 0)
    assert three[0].ejected_until - clock.now == 10


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    size=st.integers(1, 6),
    events=st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.floats(0, 5)), min_size=60, max_size=200),
)
def test_never_more_than_half_are_out(size: int, events: list[tuple[int, bool, float]]) -> None:
    clock = Clock()
    found, endpoints = Outliers(clock), [One(str(number)) for number in range(size)]
    for who, failed, pause in events:
        clock.now += pause / 100
        count(found, endpoints[who % size], endpoints, failed=failed and who % size < 4)
        assert sum(clock.now < one.ejected_until for one in endpoints) <= size // 2
    remaining = endpoints[: max(1, size - 2)]
    found.readmit(remaining)
    assert sum(clock.now < one.ejected_until for one in remaining) <= len(remaining) // 2


@settings(deadline=None)
@given(share=st.integers(0, 10), turns=st.integers(0, 1000))
def test_a_service_that_fails_everywhere_alike_loses_no_instance(share: int, turns: int) -> None:
    found, endpoints = Outliers(Clock()), [One("a"), One("b")]
    for turn in range(turns):
        for endpoint in endpoints:
            assert not count(found, endpoint, endpoints, failed=turn % 10 < share)


def test_an_instance_that_answers_500_while_its_peer_does_not_loses_its_traffic(
    gateway: Gateway, upstream: Upstream, make_upstream: MakeUpstream
) -> None:
    broken = make_upstream()
    broken.answers("/open", answer(500, b"{}"))
    gateway.knows(SERVICE, broken, upstream)
    service = gateway.components.directory.upstream(SERVICE)
    until(lambda: gateway.get("/open/x").status == 500 and service.endpoints[0].ejections == 1)
    asked = len(broken.of("/open"))

    assert {gateway.get("/open/x").status for _ in range(20)} == {200}
    assert len(broken.of("/open")) == asked

    gateway.clock.now += outliers.FIRST_EJECTION_S
    until(lambda: gateway.get("/open/x").status == 500)

"""Active health checks: what takes an instance out, brings it back, and is tried when all are out."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from gateway.edge.composition import Place
from gateway.edge.upstream.health_checks import ask
from gateway.edge.upstream.pool import Origin
from gateway.edge.upstream.settings import HealthCheck
from gateway.tests.harness import NOBODY, Gateway, row, table, until
from gateway.tests.upstream import Seen, Upstream, answer

SERVICE = "product-service"
MakeUpstream = Callable[[], Upstream]


def checked(gateway: Gateway, version: int = 2, **health: Any) -> None:
    document = table(row("open", "/open"), version=version)
    settings = {"path": "/health/ready", "interval_s": 0.2, "timeout_s": 0.2} | health
    gateway.publish(document | {"services": [{"name": SERVICE, "health": settings}]})


def healthy(gateway: Gateway) -> list[bool]:
    return [one.healthy for one in gateway.components.directory.upstream(SERVICE).endpoints]


def test_an_unhealthy_instance_gets_no_requests_until_it_is_healthy_again(
    gateway: Gateway, upstream: Upstream, make_upstream: MakeUpstream
) -> None:
    ill = make_upstream()
    ill.answers("/health/ready", answer(503, b"{}"))
    gateway.knows(SERVICE, ill, upstream)
    checked(gateway)
    until(lambda: healthy(gateway) == [False, True])
    assert len(ill.of("/health/ready")) >= 3
    assert {gateway.get("/open/x").status for _ in range(20)} == {200}
    assert not ill.of("/open")

    ill.answers("/health/ready", answer(200, b"{}"))
    until(lambda: healthy(gateway) == [True, True])
    until(lambda: gateway.get("/open/x").status == 200 and ill.of("/open"))


def test_one_failed_check_is_none_and_the_thresholds_count_in_a_row(
    gateway: Gateway, upstream: Upstream
) -> None:
    statuses = [503, 503, 204]
    judged: list[bool] = []

    async def behave(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Each check finds the gateway's judgement of the checks before it."""
        judged.extend(healthy(gateway))
        writer.write(answer(statuses.pop(0) if statuses else 503, b""))

    upstream.behaviours["/health/ready"] = behave
    checked(gateway, interval_s=0.6, timeout_s=0.6)
    until(lambda: len(judged) >= 7)
    assert judged[:7] == [True] * 6 + [False]


def test_when_all_are_out_all_are_tried(
    gateway: Gateway, upstream: Upstream, make_upstream: MakeUpstream
) -> None:
    two = [upstream, make_upstream()]
    for one in two:
        one.answers("/health/ready", answer(500, b"{}"))
    gateway.knows(SERVICE, *two)
    checked(gateway)
    until(lambda: healthy(gateway) == [False, False])

    assert {gateway.get("/open/x").status for _ in range(30)} == {200}
    assert all(one.of("/open") for one in two)


def test_without_checks_an_instance_that_was_out_is_back(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers("/health/ready", answer(503, b"{}"))
    checked(gateway, unhealthy_after=1)
    until(lambda: healthy(gateway) == [False])
    checked(gateway, version=3, path="")

    until(lambda: healthy(gateway) == [True])
    asked = len(upstream.of("/health/ready"))
    until(lambda: gateway.get("/open/x").status == 200)
    assert len(upstream.of("/health/ready")) <= asked + 1


def test_the_same_settings_published_again_keep_what_is_known(gateway: Gateway, upstream: Upstream) -> None:
    upstream.answers("/health/ready", answer(503, b"{}"))
    checked(gateway, unhealthy_after=1)
    until(lambda: healthy(gateway) == [False])
    checked(gateway, version=3, unhealthy_after=1)

    assert healthy(gateway) == [False]


# --- several processes of one gateway


def test_the_first_process_checks_for_all_and_the_others_hear_it(
    make_gateway: Callable[..., Gateway], upstream: Upstream, make_upstream: MakeUpstream
) -> None:
    follower = make_gateway(row("open", "/open"), place=Place(2, 2))

    def tell(service: str, unhealthy: list[str]) -> None:
        follower.loop.call_soon_threadsafe(follower.components.health_checks.hear, service, unhealthy)

    first = make_gateway(row("open", "/open"), place=Place(1, 2), tell_health=tell)
    ill = make_upstream()
    ill.answers("/health/ready", answer(503, b"{}"))
    follower.knows(SERVICE, ill, upstream)
    # So long an interval that the follower would be left alone only after a minute, and a path of its own.
    checked(follower, interval_s=20.0, path="/health/own")
    first.knows(SERVICE, ill, upstream)
    checked(first)
    until(lambda: healthy(first) == [False, True] == healthy(follower))
    assert {follower.get("/open/x").status for _ in range(10)} == {200}
    assert not ill.of("/open")

    ill.answers("/health/ready", answer(200, b"{}"))
    until(lambda: healthy(first) == [True, True] == healthy(follower))
    until(lambda: follower.get("/open/x").status == 200 and ill.of("/open"))
    assert not ill.of("/health/own")
    assert not upstream.of("/health/own")


def test_a_process_that_hears_nothing_checks_for_itself(
    make_gateway: Callable[..., Gateway], upstream: Upstream
) -> None:
    alone = make_gateway(row("open", "/open"), place=Place(2, 2))
    upstream.answers("/health/ready", answer(503, b"{}"))
    checked(alone)

    until(lambda: healthy(alone) == [False])


def test_a_process_that_takes_over_the_checks_goes_on_from_what_was_known(
    make_gateway: Callable[..., Gateway], upstream: Upstream, make_upstream: MakeUpstream
) -> None:
    told: list[list[str]] = []
    ill = make_upstream()
    ill.answers("/health/ready", answer(503, b"{}"))
    successor = make_gateway(
        row("open", "/open"), place=Place(1, 2), tell_health=lambda service, ids: told.append(ids)
    )
    successor.knows(SERVICE, ill, upstream)
    checked(successor, unhealthy_after=20)
    successor.run(lambda: successor.components.health_checks.hear(SERVICE, [f"{SERVICE}-0"]))
    before = len(told)
    until(lambda: len(told) > before + 2)
    assert told[before + 2] == [f"{SERVICE}-0"]

    ill.answers("/health/ready", answer(200, b"{}"))
    until(lambda: told[-1] == [])


def test_news_of_a_service_without_checks_change_nothing(gateway: Gateway, upstream: Upstream) -> None:
    gateway.run(lambda: gateway.components.health_checks.hear(SERVICE, [f"{SERVICE}-0"]))

    assert healthy(gateway) == [True]


def problem(port: int, path: str = "/h", timeout_s: float = 1.0) -> str | None:
    return asyncio.run(ask(Origin("127.0.0.1", port), HealthCheck(path, timeout_s=timeout_s)))


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (answer(200, b"{}"), None),
        (answer(302, b""), None),
        (answer(404, b""), "it answered 404"),
        (b"SSH-2.0-OpenSSH\r\n", "its answer is not HTTP"),
        (b"x" * 20_000, "its answer is not HTTP"),
    ],
)
def test_an_answer_is_judged_by_its_status(upstream: Upstream, reply: bytes, told: str | None) -> None:
    upstream.answers("/h", reply)

    assert problem(upstream.port) == told
    assert upstream.of("/h")[0].header("host") == f"127.0.0.1:{upstream.port}"


def test_silence_refusal_and_an_early_end_are_problems(upstream: Upstream) -> None:
    async def close(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    upstream.behaviours["/h"] = close
    assert problem(upstream.port) is not None
    assert problem(NOBODY.port) is not None
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert problem(silent.getsockname()[1], timeout_s=0.1) == "TimeoutError"

"""A service that does not receive its messages is unready, and ready again when it receives them."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import amqp
import pytest
from django.db.models import DurationField, F, Value
from django.test import Client

from atoll.bus.inbox import consumer_status, readiness, readiness_check
from atoll.bus.inbox.consumer_status import ConsumerStatus, Problem
from atoll.bus.models import Reception
from atoll.bus.worker.hints import Hints
from atoll.bus.worker.threads import WorkerThreads
from atoll.health import checks
from atoll.health.checks import register_check
from atoll.testing.proxy import Proxy

from .conftest import Until

pytestmark = pytest.mark.django_db(transaction=True)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _own_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_registered", dict(checks._registered))


def test_a_short_interruption_is_no_problem_and_a_long_one_is(clock: Clock) -> None:
    status = ConsumerStatus(clock)
    status.mark_running()
    status.mark_interrupted(ConnectionResetError("10.0.0.7"), is_away=True)
    clock.now += consumer_status.GRACE_S
    assert status.problem() is None
    clock.now += 1
    assert status.problem() == Problem(
        "Nothing consumes the service's queues for 11 s: ConnectionResetError.", is_away=True
    )
    status.mark_running()
    assert status.problem() is None


def test_an_answer_of_the_broker_is_told_and_is_nobodys_absence(clock: Clock) -> None:
    status = ConsumerStatus(clock)
    status.mark_interrupted(amqp.NotFound("no queue evt.x", (50, 10)), is_away=False)
    clock.now += consumer_status.GRACE_S + 1
    assert status.problem() == Problem(
        "Nothing consumes the service's queues for 11 s: NotFound (no queue evt.x)."
    )


def test_what_comes_back_again_and_again_is_not_relied_on_until_it_stays(clock: Clock) -> None:
    status = ConsumerStatus(clock)
    for _ in range(consumer_status.MOST_INTERRUPTIONS):
        assert status.problem() is None
        status.mark_running()
        clock.now += 1
        status.mark_interrupted(amqp.UnexpectedFrame(), is_away=False)
    status.mark_running()
    problem = status.problem()
    assert problem is not None and not problem.is_away
    assert problem.text.startswith("The consumer comes back again and again, 3 times within 2 s: Unexpected")
    clock.now += consumer_status.WINDOW_S
    assert status.problem() is None


@pytest.fixture
def ready(client: Client) -> Callable[[], tuple[int, str, dict[str, Any]]]:
    def ask() -> tuple[int, str, dict[str, Any]]:
        answer = client.get("/health/ready")
        return answer.status_code, answer.json()["status"], answer.json()["checks"]["messages"]

    return ask


Ready = Callable[[], tuple[int, str, dict[str, Any]]]


def a_long_time_passes(clock: Clock) -> None:
    """Move the clock: a web process has had its workers for long."""
    register_check("messages", readiness_check.Check(clock))
    clock.now += readiness_check.SILENCE_S + 1


def silent_for(seconds: float) -> None:
    moved = F("consumed_at") - Value(timedelta(seconds=seconds), DurationField())
    assert Reception.objects.update(consumed_at=moved)


def test_a_web_process_is_ready_while_no_worker_has_ever_run(ready: Ready, clock: Clock) -> None:
    register_check("messages", readiness_check.Check(clock))
    assert ready()[:2] == (200, "ok")


def test_a_web_process_is_not_ready_when_the_consumer_is_gone_and_is_when_it_is_back(
    ready: Ready, clock: Clock
) -> None:
    a_long_time_passes(clock)
    readiness.report(None)
    assert ready()[:2] == (200, "ok")
    silent_for(readiness_check.SILENCE_S + 1)
    clock.now += readiness_check.READ_EVERY_S
    code, status, told = ready()
    assert (code, status) == (503, "unavailable")
    assert re.fullmatch(
        r"Unavailable: No worker of this service has received messages for \d+ s\.", told["problem"]
    )
    readiness.report(None)
    clock.now += readiness_check.READ_EVERY_S
    assert ready()[:2] == (200, "ok")


def test_a_web_process_that_has_just_started_waits_for_the_workers_that_start_after_it(
    ready: Ready, clock: Clock
) -> None:
    register_check("messages", readiness_check.Check(clock))
    readiness.report(None)
    silent_for(86_400)
    assert ready()[:2] == (200, "ok")
    clock.now += readiness_check.SILENCE_S + 1
    assert ready()[:2] == (503, "unavailable")


def test_a_consumer_that_does_not_stay_makes_the_service_unready_with_the_reason(
    ready: Ready, clock: Clock
) -> None:
    a_long_time_passes(clock)
    readiness.report(None)
    readiness.report(Problem("The consumer comes back again and again."))
    code, status, told = ready()
    assert (code, status, told["status"]) == (503, "unavailable", "unavailable")
    assert told["problem"] == "Unavailable: The consumer comes back again and again."
    readiness.report(None)
    clock.now += readiness_check.READ_EVERY_S
    assert ready()[:2] == (200, "ok")


def test_a_broker_that_is_away_degrades_a_web_process_since_the_outbox_keeps_what_it_announces(
    ready: Ready, clock: Clock
) -> None:
    a_long_time_passes(clock)
    readiness.report(Problem("Nothing consumes the service's queues for 11 s.", is_away=True))
    code, status, told = ready()
    assert (code, status) == (200, "degraded")
    assert told["problem"] == "Warning: Nothing consumes the service's queues for 11 s."


class Registration:
    """Records the states that a supervisor would see."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def ready(self) -> None:
        self.said.append("ready")

    def unready(self, reason: str) -> None:
        self.said.append(reason)


@contextmanager
def running(registration: Any) -> Iterator[None]:
    threads = WorkerThreads(_NoHints(), registration)
    threads.start()
    try:
        yield
    finally:
        threads.stop()


class _NoHints(Hints):
    def __init__(self) -> None: ...

    def __call__(self, delivery_ids: Any) -> None: ...

    def send_empty(self) -> None: ...


def test_a_worker_whose_broker_goes_is_unready_with_the_reason_and_ready_when_it_is_back(
    rabbitmq: str, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_status, "GRACE_S", 2.0)
    parts = urlsplit(rabbitmq)
    proxy = Proxy(parts.hostname or "", parts.port or 5672)
    account = parts.netloc.rpartition("@")[0]
    monkeypatch.setenv("RABBITMQ_URL", parts._replace(netloc=f"{account}@127.0.0.1:{proxy.port}").geturl())
    registration = Registration()
    with running(registration):
        # Not the first word: a machine that takes longer than the grace to start says so before.
        until(lambda: registration.said[-1:] == ["ready"])
        until(lambda: Reception.objects.filter(consumed_at__isnull=False, problem="").exists())
        registration.said.clear()
        proxy.cut()
        until(lambda: registration.said)
        until(lambda: Reception.objects.filter(problem_at__isnull=False, is_away=True).exists())
        reason = registration.said[0]
        proxy.mend()
        until(lambda: registration.said[-1] == "ready")
    assert reason.startswith("Nothing consumes the service's queues for ")
    monkeypatch.setenv("RABBITMQ_URL", rabbitmq)
    proxy.cut()

"""A slow or absent broker never blocks the sender of hints for long."""

import time
from urllib.parse import urlsplit

import pytest
from celery import Celery

from atoll.bus.worker import celery_app as bus_celery
from atoll.bus.worker import hints
from atoll.bus.worker.hints import Hints
from atoll.ids import uuid7
from atoll.testing.proxy import Proxy

from .conftest import Until


class Clock:
    """A monotonic clock that the test moves."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


def sending_to(proxy: Proxy, url: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Celery, Hints, Clock]:
    """A Celery application behind a proxy, its hint sender, and the sender's clock."""
    port = urlsplit(url).port
    monkeypatch.setenv("RABBITMQ_URL", url.replace(f":{port}", f":{proxy.port}"))
    app = Celery("library", set_as_current=False)
    app.conf.update(bus_celery.configuration())
    hints.register(app)
    with app.connection_for_read() as looking:
        bus_celery.transports.current().names.work_queue(looking.default_channel).queue_declare()
    clock = Clock()
    return app, Hints(app, clock), clock


def waiting(app: Celery) -> int:
    """Return the number of hints in the queue."""
    with app.connection_for_read() as looking:
        work = bus_celery.transports.current().names.work_queue(looking.default_channel)
        return int(work.queue_declare(passive=True).message_count)


@pytest.fixture
def proxy(rabbitmq: str) -> Proxy:
    parts = urlsplit(rabbitmq)
    return Proxy(parts.hostname or "127.0.0.1", parts.port or 5672)


def test_a_broker_that_stalls_holds_nobody_up(
    proxy: Proxy, rabbitmq: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    app, send, _ = sending_to(proxy, rabbitmq, monkeypatch)
    send([uuid7()])
    proxy.stall()
    began = time.monotonic()
    send([uuid7()])
    send([uuid7()])
    assert time.monotonic() - began < 0.5
    proxy.flow()
    until(lambda: waiting(app) == 3)


def test_after_a_broker_came_back_the_first_hint_gets_through(
    proxy: Proxy, rabbitmq: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    app, send, _ = sending_to(proxy, rabbitmq, monkeypatch)
    send([uuid7()])
    until(lambda: waiting(app) == 1)
    proxy.cut()
    send([uuid7()])  # nobody is there: lost, and said so in the log
    proxy.mend()
    send([uuid7()])
    until(lambda: waiting(app) == 2)


def test_a_broker_that_was_waited_for_in_vain_is_left_alone_for_a_while(
    proxy: Proxy, rabbitmq: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    app, send, clock = sending_to(proxy, rabbitmq, monkeypatch)

    def wait_in_vain(_: object) -> None:
        clock.ahead_s += hints.PATIENCE_S * 2
        raise ConnectionError("timed out")

    with monkeypatch.context() as stalling:
        stalling.setattr(send._sender, "send", wait_in_vain)
        send([uuid7()])
    send([uuid7()])
    assert waiting(app) == 0
    clock.ahead_s += hints.REST_S
    send([uuid7()])
    until(lambda: waiting(app) == 1)


def test_a_backlog_is_worked_off_by_those_who_take_hints_and_nothing_is_sent_where_nobody_does(
    proxy: Proxy, rabbitmq: str, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    app, send, _ = sending_to(proxy, rabbitmq, monkeypatch)
    send.send_empty()
    assert waiting(app) == 0
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        channel.basic_qos(0, 1, False)  # it holds one, so that the others can be counted
        work = bus_celery.transports.current().names.work_queue(channel)
        work.consume("worker", callback=lambda message: None, no_ack=False)
        send.send_empty()
        until(lambda: waiting(app) == app.conf.worker_concurrency - 2)
        # Beside those that wait, one round more and then no further.
        send.send_empty()
        until(lambda: waiting(app) == 2 * app.conf.worker_concurrency - 3)
        send.send_empty()
        assert waiting(app) == 2 * app.conf.worker_concurrency - 3

"""Hints never hold up who sends them for long, whatever the broker does."""

import time
from urllib.parse import urlsplit

import pytest
from celery import Celery

from atoll.bus import celery as bus_celery
from atoll.bus import hints
from atoll.bus.hints import Hints
from atoll.ids import uuid7
from atoll.testing.proxy import Proxy

CONFIRM_TIMEOUT_S = 1.2


class Clock:
    """The monotonic clock, moved forward by hand."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


def test_a_broker_that_stalls_is_waited_for_once_and_then_left_alone(
    rabbitmq: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = urlsplit(rabbitmq)
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or 5672)
    monkeypatch.setenv("RABBITMQ_URL", rabbitmq.replace(f":{parts.port}", f":{proxy.port}"))
    monkeypatch.setitem(hints.OPTIONS, "confirm_timeout", CONFIRM_TIMEOUT_S)
    app = Celery("library", set_as_current=False)
    app.conf.update(bus_celery.configuration(), broker_connection_timeout=CONFIRM_TIMEOUT_S)
    hints.register(app)
    clock = Clock()
    send = Hints(app, clock)
    work = bus_celery.topology.current().work_queue
    with app.connection_for_read() as looking:
        work(looking.default_channel).queue_declare()
    send([uuid7()])

    proxy.stall()
    took_s = []
    for _ in range(2):
        began = time.monotonic()
        send([uuid7()])
        took_s.append(time.monotonic() - began)
    proxy.flow()
    send([uuid7()])
    clock.ahead_s = hints.REST_S
    send([uuid7()])

    assert CONFIRM_TIMEOUT_S <= took_s[0] < 4 * CONFIRM_TIMEOUT_S
    assert took_s[1] < 0.1
    with app.connection_for_read() as looking:
        waiting = work(looking.default_channel).queue_declare(passive=True).message_count
    assert waiting in (2, 3)  # the one that stalled may have got through, unconfirmed

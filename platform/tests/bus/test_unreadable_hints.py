"""A worker survives anything that a stranger writes into its queue of hints."""

from pathlib import Path
from typing import Any

import pytest
from testproject.models import Note

from atoll.bus.broker import transports
from atoll.bus.broker.amqp import Amqp
from atoll.bus.broker.redis import Redis
from atoll.bus.models import Delivery

from .conftest import Until
from .raw_amqp import Raw, properties, short
from .test_undecodable import BINARY, BINARY_PROPERTIES, NO_ENVELOPES, UNDECODABLE_HEADERS
from .test_worker import ask
from .worker import running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]

HINT = {"task": "atoll.deliver", "id": "11111111-1111-4111-8111-111111111111"}
NO_HINTS: list[tuple[dict[str, Any], Any]] = [
    ({}, b"\xff"),
    ({"task": "atoll.deliver"}, b"[[], {}, {}]"),
    ({"task": ["atoll.deliver"], "id": "x"}, b"[[], {}, {}]"),
    ({"task": "nobody.knows", "id": "x"}, b"[[], {}, {}]"),
    (HINT, b"null"),
    (HINT, b"[" * 100_000),
    (HINT, b"[[], {}, {}]"),
    (HINT, b'[[["no id"]], {}, {}]'),
    (HINT, b"[[7], {}, {}]"),
    (HINT, b"[[[], 1e300], {}, {}]"),
    (HINT, b'[[[]], {"x": 1}, {}]'),
    (HINT, b'[[[]], {}, {"chain": [1]}]'),
    (HINT | {"eta": "2999-01-01T00:00:00"}, b"[[[]], {}, {}]"),
    (HINT | {"expires": 5}, b"[[[]], {}, {}]"),
]


def spoil_valkey(url: str, queue: str) -> None:
    with transports.current().connect("stranger") as opened:
        for item in NO_ENVELOPES.values():
            opened.default_channel.client.lpush(queue, item)


def spoil_rabbitmq(url: str, queue: str) -> None:
    poison = Raw(url)
    for name in BINARY_PROPERTIES:
        poison.publish("", queue.encode(), properties(**{name: short(BINARY)}), b"[[[]], {}, {}]")
    for header in UNDECODABLE_HEADERS.values():
        poison.publish("", queue.encode(), properties(application_headers=header), b"")
    poison.close()


SPOIL = {Amqp: spoil_rabbitmq, Redis: spoil_valkey}


@pytest.mark.processes
def test_nothing_in_the_work_queue_keeps_a_worker_from_its_work(
    broker: str, tmp_path: Path, until: Until
) -> None:
    queue = transports.current().names.work_queue.name
    with running(tmp_path / "worker") as worker, transports.current().connect("stranger") as opened:
        producer = opened.Producer(opened.channel(), auto_declare=False)
        for content_type in ("application/json", "application/x-python-serialize", "text/plain"):
            for headers, body in NO_HINTS:
                producer.publish(
                    body.decode("latin-1"),
                    routing_key=queue,
                    headers=headers,
                    content_type=content_type,
                    content_encoding="utf-8",
                )
        SPOIL[type(transports.current())](broker, queue)
        for number in range(12):
            ask(f"{number:02}")
        until(lambda: Note.objects.count() == 12)
        until(lambda: not Delivery.objects.exclude(status="done").exists())
        assert worker.lifecycle.read_text() == "ready"
        assert "Traceback" not in worker.log.read_text()
        assert worker.terminate()[0] == 0

"""One table chooses the transport, by the scheme of RABBITMQ_URL; nothing else asks which one it is."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from testproject.models import Note

from atoll.bus import Message, on
from atoll.bus.broker import transports
from atoll.bus.broker.amqp import Amqp
from atoll.bus.broker.redis import Redis
from atoll.bus.models import Outbox
from atoll.bus.outbox.relay import Relay
from atoll.bus.publishing import publish_raw
from atoll.bus.worker import hints
from atoll.bus.worker.celery_app import configuration
from atoll.testing.memory_transport import MemoryTransport

from .conftest import Until
from .receiver import receiving


@pytest.fixture
def third(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A transport that the library does not ship: one file, and this one line."""
    monkeypatch.setitem(transports.TRANSPORTS, ("memory",), "atoll.testing.memory_transport.MemoryTransport")
    monkeypatch.setenv("RABBITMQ_URL", "memory://third")
    yield
    MemoryTransport.brokers.clear()


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("amqp://guest:guest@127.0.0.1:5672//", Amqp),
        ("amqps://mq.example//;amqps://mq2.example//", Amqp),
        ("redis://127.0.0.1/0", Redis),
        ("rediss://:secret@127.0.0.1/0", Redis),
        ("valkey://127.0.0.1/0", Redis),
    ],
)
def test_the_scheme_chooses(url: str, kind: type) -> None:
    assert transports.kind_of(url) is kind


@pytest.mark.parametrize(
    ("url", "scheme"), [("kafka://ada:s3cret@127.0.0.1", "kafka"), ("ada:s3cret@127.0.0.1", "")]
)
def test_an_unknown_scheme_is_refused_without_the_password(url: str, scheme: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"'{scheme}'; .* for amqp, amqps, redis") as raised:
        transports.kind_of(url)
    assert "s3cret" not in str(raised.value)


@pytest.mark.usefixtures("third", "handlers")
@pytest.mark.django_db(transaction=True)
def test_relay_and_ingest_run_on_a_third_transport(until: Until) -> None:
    @on("account.*")
    def note(event: dict[str, Any], message: Message) -> None:
        Note.objects.create(text=f"{event['number']} from {message.service_id}")

    relay = Relay()
    thread = threading.Thread(target=relay.run)
    with receiving():
        thread.start()
        with transaction.atomic():
            publish_raw("account.opened", {"number": 7})
        until(Note.objects.exists)
        until(lambda: Outbox.objects.get().status == "published")
        relay.stop()
        thread.join(20)
    assert not thread.is_alive()
    assert Note.objects.get().text == "7 from library-service"


@pytest.mark.usefixtures("third")
def test_celery_takes_its_settings_and_hints_their_way_from_a_third_transport() -> None:
    app = hints.Celery("library", set_as_current=False)
    app.conf.update(configuration())
    assert app.conf.broker_url == "memory://"
    transport = transports.current()
    with transport.connect("test") as opened:
        queue = transport.names.work_queue(opened.default_channel)
        queue.queue_declare()
        hints.Hints(app).send_empty()
        assert queue.queue_declare().message_count == app.conf.worker_concurrency - 1
        queue.purge()

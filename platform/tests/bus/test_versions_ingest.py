"""A running ingest follows the handlers that another version adds, retires or orders."""

import threading

import pytest
from django.db import connection, transaction

from atoll.bus import on
from atoll.bus.broker.transports import open_publisher
from atoll.bus.handlers import enrolment, registry, retiring
from atoll.bus.inbox import consumer_lock
from atoll.bus.inbox import store as inbox
from atoll.bus.inbox.ingest import Ingestor
from atoll.bus.models import Inbox
from atoll.bus.outbox import relay
from atoll.bus.publishing import publish_raw

from . import brokers
from .arrivals import store
from .conftest import Until
from .receiver import receiving
from .versions import COUNT, become, count, new, old, silence, start, write

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]


def test_a_running_ingest_binds_what_another_version_made_known_and_unbinds_what_was_retired(
    broker: str, until: Until
) -> None:
    old()
    publisher = open_publisher()
    with receiving():
        start(new)
        become(old)

        def is_received(name: str) -> bool:
            with transaction.atomic():
                publish_raw(name, {"text": "x"})
            relay.step(publisher)
            return Inbox.objects.filter(name=name).exists()

        until(lambda: is_received("note.added"))
        silence(COUNT)
        retiring.retire(COUNT, by="ada", why="gone")
        until(lambda: not brokers.current().is_bound("note.added"))
        assert brokers.current().is_bound("note.asked")
    publisher.close()


def test_ingest_makes_way_when_another_version_wants_its_messages_in_order(broker: str, until: Until) -> None:
    old()
    consumers = [Ingestor(lambda _: None) for _ in range(2)]
    threads = [threading.Thread(target=each.run) for each in consumers]
    for thread in threads:
        thread.start()
    until(lambda: all(each.consuming.is_set() for each in consumers))
    registry._handlers.clear()
    on("note.asked")(write)
    on("note.added", ordered=True)(count)
    enrolment.register(runs_handlers=True)
    become(old)
    until(lambda: sum(each.consuming.is_set() for each in consumers) == 1)
    until(lambda: all(each.ready.is_set() for each in consumers))
    assert sum(each.consuming.is_set() for each in consumers) == 1
    for each in consumers:
        each.stop()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def test_what_must_be_in_order_is_not_stored_beside_others() -> None:
    on("note.asked", ordered=True)(write)
    found: list[object] = []

    def beside() -> None:
        assert consumer_lock.take(alone=False)
        try:
            store("note.asked", {"text": "x"}, key="a", sequence=1)
        except inbox.LockIsShared as refusal:
            found.append(refusal)
        connection.close()

    thread = threading.Thread(target=beside)
    thread.start()
    thread.join(20)
    assert len(found) == 1
    assert Inbox.objects.count() == 0

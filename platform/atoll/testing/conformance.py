"""What the bus needs of a transport, as one suite: RabbitMQ, Redis and memory pass it, and so must yours.

Subclass ``Conformance`` in a test module of your own, with a fixture ``transport`` that
yields a ``TransportUnderTest`` and closes it; ``platform/tests/bus/test_conformance.py`` does so.
Where transports may differ, ``Capabilities`` says how, and the suite asks for exactly that.
"""

import json
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar

import pytest
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from atoll import wire
from atoll.bus import Message, handles, on
from atoll.bus.broker import transports
from atoll.bus.broker.messages import Arrival
from atoll.bus.broker.publisher import UNROUTABLE, Publisher
from atoll.bus.handlers import registry
from atoll.bus.inbox import receiving
from atoll.bus.models import Inbox, Outbox, Quarantine
from atoll.bus.outbox import relay
from atoll.bus.outbox import store as outbox
from atoll.bus.publishing import publish_raw, send
from atoll.bus.topic_match import matches
from atoll.testing.transports import TAKE_TIMEOUT_S, CutInMidBatch, PatientConsumer, TransportUnderTest

OURS, OTHER = "library-service", "other-service"
PATTERNS = {"order.*": "one-word", "order.#": "any-words", "*.*.added": "in-front", "order": "exact"}
NAMES = ("order", "order.created", "orders", "order.item.added", "user.created", "order.item.stock.added")
POISON = {
    "invalid UTF-8": b'\xff\xfe{"eventType": "account.opened"}',
    "truncated JSON": b'{"eventType": "account.opened", "data": {"number": 1',
    "no object": b'["account.opened"]',
    "no name": b'{"data": {"number": 1}}',
    "a name of the wrong type": b'{"eventType": 7, "data": {}}',
    "data of the wrong type": b'{"eventType": "account.opened", "data": [1]}',
    "NUL in text": b'{"eventType": "account.opened", "data": {"text": "a\\u0000b"}}',
    "nothing": b"",
    "more than 1 MB": b'{"eventType": "account.opened", "data": {"text": "' + b"x" * 1_100_000 + b'"}}',
}


@dataclass
class CloseAccount:
    command: ClassVar[str] = "close.account"
    outside: ClassVar[bool] = True
    number: int


def announce(*numbers: int, key: str | None = None, text: str = "") -> None:
    with transaction.atomic():
        for number in numbers:
            publish_raw("account.opened", {"number": number, "text": text}, key=key)


def command(number: int, to: str) -> None:
    with transaction.atomic():
        send(CloseAccount(number), to=to)


def numbers(arrivals: list[Arrival]) -> list[int]:
    return [json.loads(arrival.body)["data"]["number"] for arrival in arrivals]


def publish_again() -> None:
    """As after a relay that was killed before it marked what it had published."""
    Outbox.objects.update(status="pending", next_attempt_at=Now(), published_at=None)


def statuses() -> set[str]:
    return set(Outbox.objects.values_list("status", flat=True))


class Conformance:
    """The suite. A test works inside its own database transaction, as any test of a service."""

    pytestmark = pytest.mark.django_db

    @pytest.fixture
    def transport(self) -> Iterator[TransportUnderTest]:
        raise NotImplementedError("Yield a TransportUnderTest here, and close it.")

    @pytest.fixture
    def publisher(self, transport: TransportUnderTest) -> Publisher:
        return transport.publisher()

    @pytest.fixture(autouse=True)
    def handlers(self) -> Iterator[None]:
        """This service listens to every event and to one command, and to nothing else."""
        held = registry.handlers()
        registry._handlers.clear()

        @on("#")
        def note(event: dict[str, Any], message: Message) -> None: ...

        @handles("close.account")
        def close(command: dict[str, Any], message: Message) -> None: ...

        yield
        registry._handlers[:] = held

    def test_a_message_arrives_as_it_was_written_with_its_properties_and_headers(
        self, transport: TransportUnderTest, publisher: Publisher
    ) -> None:
        transport.declare(OURS, "account.*")
        announce(7, key="account-7", text="Grüße, 世界 🐚 \u2028")
        assert relay.step(publisher) == 1
        (arrival,) = transport.consumer(OURS).take(1)
        row = Outbox.objects.get()
        assert arrival.body == row.body.encode()
        assert "Grüße, 世界 🐚" in json.loads(arrival.body)["data"]["text"]
        expected = {
            "message_id": str(row.message_id),
            "type": "account.opened",
            "app_id": settings.ATOLL_SERVICE,
            "correlation_id": row.correlation_id,
            "timestamp": int(row.created_at.timestamp()),
            "delivery_mode": 2,
        }
        assert {name: arrival.properties.get(name) for name in expected} == expected
        assert arrival.routing_key == "account.opened"
        assert arrival.queue.endswith(f"evt.{OURS}")
        sent = {name: arrival.headers[name] for name in ("x-atoll-key", "x-atoll-seq")}
        assert sent == {"x-atoll-key": "account-7", "x-atoll-seq": str(row.key_sequence)}
        assert arrival.headers["traceparent"].startswith("00-")

    def test_a_star_is_one_word_and_a_hash_any_number_of_words(
        self, transport: TransportUnderTest, publisher: Publisher
    ) -> None:
        for pattern, service in PATTERNS.items():
            transport.declare(service, pattern)
        with transaction.atomic():
            for name in NAMES:
                publish_raw(name, {})
        relay.step(publisher)
        for pattern, service in PATTERNS.items():
            consumer = transport.consumer(service)
            expected = [name for name in NAMES if matches(pattern, name)]
            arrived = [arrival.routing_key for arrival in self._all(transport, consumer, len(expected))]
            if not transport.capabilities.exact_matching:
                assert set(arrived) >= set(expected)
                arrived = [name for name in arrived if matches(pattern, name)]
            assert arrived == expected, pattern

    def test_each_service_gets_a_copy_of_its_own(
        self, transport: TransportUnderTest, publisher: Publisher
    ) -> None:
        transport.declare(OURS, "account.opened")
        transport.declare(OTHER, "account.opened")
        announce(1, 2, 3)
        relay.step(publisher)
        for service in (OURS, OTHER):
            consumer = transport.consumer(service)
            assert numbers(self._all(transport, consumer, 3)) == [1, 2, 3]
            consumer.acknowledge()

    def test_consumers_of_one_service_share_its_messages_and_none_gets_anothers(
        self, transport: TransportUnderTest, publisher: Publisher
    ) -> None:
        transport.declare(OURS, "account.opened")
        consumers = [transport.consumer(OURS, prefetch=5) for _ in range(2)]
        announce(*range(40))
        relay.step(publisher)
        seen: list[list[int]] = [[], []]
        while sum(map(len, seen)) < 40:
            for share, consumer in zip(seen, consumers, strict=True):
                taken = numbers(consumer.take(5, 2 * transport.silence_s))
                share += taken
                if taken:
                    consumer.acknowledge()
        assert sorted(seen[0] + seen[1]) == list(range(40))
        assert all(seen)
        assert all(share == sorted(share) for share in seen)

    def test_a_command_reaches_only_the_service_it_is_for(
        self, transport: TransportUnderTest, publisher: Publisher
    ) -> None:
        transport.declare(OURS, "#")
        transport.declare(OTHER, "#")
        command(1, to=OTHER)
        assert relay.step(publisher) == 1
        (arrival,) = transport.consumer(OTHER).take(1)
        assert json.loads(arrival.body)["command"] == "close.account"
        assert arrival.routing_key == OTHER
        assert arrival.queue.endswith(f"cmd.{OTHER}")
        assert transport.consumer(OURS).take(1, transport.silence_s) == []
        assert statuses() == {"published"}

    def test_a_command_that_no_queue_takes_stays_visible_and_goes_out_once_one_does(
        self, transport: TransportUnderTest, publisher: Publisher
    ) -> None:
        transport.declare(OURS, "#")
        command(1, to=OTHER)
        command(2, to=OURS)
        relay.step(publisher)
        refused, published = Outbox.objects.order_by("id")
        assert (refused.status, refused.attempts) == ("pending", 1)
        assert refused.error == UNROUTABLE.format(OTHER)
        assert (published.status, published.error) == ("published", "")
        transport.declare(OTHER, "#")
        assert relay.step(publisher) == 0
        Outbox.objects.filter(status="pending").update(next_attempt_at=Now())
        assert relay.step(publisher) == 1
        assert numbers(transport.consumer(OTHER).take(1)) == [1]

    def test_an_event_that_nobody_listens_to_is_published(
        self, transport: TransportUnderTest, publisher: Publisher
    ) -> None:
        announce(1)
        assert relay.step(publisher) == 1
        assert statuses() == {"published"}

    def test_messages_of_a_key_arrive_in_order(
        self, transport: TransportUnderTest, publisher: Publisher
    ) -> None:
        transport.declare(OURS, "account.opened")
        for start in range(0, 60, 20):
            announce(*range(start, start + 20), key="a")
            announce(*range(100 + start, 100 + start + 20), key="b")
            relay.step(publisher)
        arrived = numbers(self._all(transport, transport.consumer(OURS), 120))
        assert [number for number in arrived if number < 100] == list(range(60))
        assert [number for number in arrived if number >= 100] == list(range(100, 160))

    def test_what_a_dead_consumer_held_comes_back_in_order_and_what_it_acknowledged_does_not(
        self, transport: TransportUnderTest, publisher: Publisher
    ) -> None:
        transport.declare(OURS, "account.opened")
        first = transport.consumer(OURS, prefetch=7)
        announce(*range(10))
        relay.step(publisher)
        assert numbers(first.take(3)) == [0, 1, 2]
        first.acknowledge()
        assert numbers(first.take(4)) == [3, 4, 5, 6]
        transport.kill(first)
        assert numbers(self._all(transport, transport.consumer(OURS), 7)) == list(range(3, 10))

    def test_what_a_stopped_consumer_held_comes_back(
        self, transport: TransportUnderTest, publisher: Publisher
    ) -> None:
        transport.declare(OURS, "account.opened")
        announce(*range(6))
        relay.step(publisher)
        first = transport.consumer(OURS)
        assert numbers(first.take(2)) == [0, 1]
        first.close()
        assert sorted(numbers(self._all(transport, transport.consumer(OURS), 6))) == list(range(6))

    def test_both_ends_lose_their_connections_and_nothing_else(
        self, transport: TransportUnderTest, publisher: Publisher
    ) -> None:
        transport.declare(OURS, "account.opened")
        consumer = transport.consumer(OURS)
        announce(*range(5))
        relay.step(publisher)
        assert numbers(consumer.take(5)) == list(range(5))
        transport.cut()
        announce(*range(5, 10))
        with pytest.raises(transports.transient_errors()):
            relay.step(publisher)
        transport.mend()
        assert relay.step(transport.publisher()) == 5
        assert numbers(self._all(transport, transport.consumer(OURS), 10)) == list(range(10))
        assert set(Outbox.objects.values_list("status", "attempts")) == {("published", 0)}

    def test_a_connection_cut_in_mid_batch_loses_nothing_and_doubts_are_sent_again(
        self, transport: TransportUnderTest, publisher: Publisher
    ) -> None:
        transport.declare(OURS, "account.opened")
        announce(*range(100), text="x" * 1000)
        with pytest.raises(transports.transient_errors()):
            relay.step(CutInMidBatch(publisher, transport, after=60))
        marked = Outbox.objects.filter(status="published").count()
        assert marked <= 60
        assert set(Outbox.objects.values_list("attempts", flat=True)) == {0}
        transport.mend()
        assert relay.step(transport.publisher()) == 100 - marked
        self._store_all(transport, 100)
        assert sorted(self._stored()) == list(range(100))

    def test_a_late_subscriber_gets_what_comes_after_it(
        self, transport: TransportUnderTest, publisher: Publisher
    ) -> None:
        announce(1)
        relay.step(publisher)
        transport.declare(OURS, "account.opened")
        announce(2)
        relay.step(publisher)
        assert numbers(self._all(transport, transport.consumer(OURS), 1)) == [2]

    def test_what_waits_for_a_service_that_does_not_run_is_there_when_it_starts(
        self, transport: TransportUnderTest, publisher: Publisher
    ) -> None:
        transport.declare(OURS, "account.opened")
        announce(1, 2)
        relay.step(publisher)
        publisher.close()
        assert numbers(self._all(transport, transport.consumer(OURS), 2)) == [1, 2]

    def test_poison_is_quarantined_with_its_bytes_and_its_neighbours_are_stored(
        self, transport: TransportUnderTest
    ) -> None:
        transport.declare(OURS, "account.opened")
        for name, body in POISON.items():
            transport.inject("event", "account.opened", body, {"x-name": name})
        transport.inject("event", "account.opened", b'{"eventType": "account.opened", "data": {"number": 1}}')
        consumer = transport.consumer(OURS)
        receiving.receive(consumer.take(len(POISON) + 1))
        consumer.acknowledge()
        held = Quarantine.objects.all()
        kept = {row.headers["x-name"]: bytes(row.body) for row in held}
        assert kept == {name: body[: wire.MAX_BYTES] for name, body in POISON.items()}
        whole = {row.headers["x-name"]: (row.body_bytes, row.body_sha256) for row in held}
        assert whole == {name: (len(body), sha256(body).hexdigest()) for name, body in POISON.items()}
        assert all(row.reason for row in Quarantine.objects.all())
        assert self._stored() == [1]

    def test_a_body_of_a_megabyte_arrives_whole(
        self, transport: TransportUnderTest, publisher: Publisher
    ) -> None:
        transport.declare(OURS, "account.opened")
        announce(1, text="ü" * 500_000)
        relay.step(publisher)
        (arrival,) = transport.consumer(OURS).take(1)
        assert arrival.body == Outbox.objects.get().body.encode()
        assert len(arrival.body) > 1_000_000

    def test_what_is_published_twice_is_stored_once(
        self, transport: TransportUnderTest, publisher: Publisher
    ) -> None:
        transport.declare(OURS, "account.opened")
        announce(1, 2)
        relay.step(publisher)
        publish_again()
        relay.step(publisher)
        consumer = transport.consumer(OURS)
        arrivals = consumer.take(4)
        assert sorted(numbers(arrivals)) == [1, 1, 2, 2]
        assert len(receiving.receive(arrivals)) == 2
        assert receiving.receive(arrivals) == []
        assert Inbox.objects.count() == 2

    def test_publishers_at_the_same_time_lose_nothing(self, transport: TransportUnderTest) -> None:
        transport.declare(OURS, "account.opened")
        announce(*range(200))
        rows = outbox.claim(200)
        publishers = [transport.publisher() for _ in range(4)]
        published: list[int] = []

        def work(publisher: Publisher, share: int) -> None:
            for start in range(share, 200, 40):
                published.extend(publisher.publish(rows[start : start + 10]).published)

        self._at_once([lambda p=p, s=10 * n: work(p, s) for n, p in enumerate(publishers)])
        assert sorted(published) == [row.id for row in rows]
        self._store_all(transport, 200)
        assert sorted(self._stored()) == list(range(200))

    def test_under_stress_every_message_is_stored_once(self, transport: TransportUnderTest) -> None:
        """Publishers that are cut off and begin again, consumers that die, copies of everything."""
        chance = random.Random(1)  # noqa: S311
        transport.declare(OURS, "account.opened")
        announce(*range(120))
        rounds = 0
        while Outbox.objects.filter(status="pending").exists():
            rounds += 1
            assert rounds < 50
            publisher = transport.publisher()
            if rounds <= 3:
                with pytest.raises(transports.transient_errors()):
                    relay.step(CutInMidBatch(publisher, transport, after=chance.randrange(1, 40)))
                transport.mend()
                doomed = transport.consumer(OURS, prefetch=20)
                receiving.receive(doomed.take(20, transport.silence_s))
                transport.kill(doomed)
            else:
                relay.step(publisher)
        publish_again()
        relay.step(publisher)
        self._store_all(transport, 120)
        assert sorted(self._stored()) == list(range(120))
        assert Quarantine.objects.count() == 0

    def _all(self, transport: TransportUnderTest, consumer: PatientConsumer, count: int) -> list[Arrival]:
        """At least ``count`` messages and what else comes, in the order in which each came first."""
        first: dict[str, Arrival] = {}
        copies = 0
        while taken := consumer.take(1, transport.silence_s if len(first) >= count else TAKE_TIMEOUT_S):
            for arrival in taken:
                copies += arrival.properties["message_id"] in first
                first.setdefault(arrival.properties["message_id"], arrival)
        assert transport.capabilities.returns_copies or copies == 0
        return list(first.values())

    def _store_all(self, transport: TransportUnderTest, count: int) -> None:
        """Receive as ingest does, until all is there and nothing more comes."""
        consumer = transport.consumer(OURS)
        while True:
            missing = count - Inbox.objects.count()
            arrivals = consumer.take(max(1, min(missing, 50)), transport.silence_s)
            arrivals = arrivals or (consumer.take(1) if missing else [])
            if not arrivals:
                break
            receiving.receive(arrivals)
            consumer.acknowledge()

    def _stored(self) -> list[int]:
        return [json.loads(body)["data"]["number"] for body in Inbox.objects.values_list("body", flat=True)]

    def _at_once(self, calls: list[Any]) -> None:
        threads = [threading.Thread(target=call) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

"""Which messages reach which service, and how they look on arrival."""

import json
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now

from atoll import conf
from atoll.bus.broker.publisher import UNROUTABLE, Publisher
from atoll.bus.models import Outbox
from atoll.bus.outbox import relay
from atoll.bus.publishing import publish_raw
from atoll.bus.topic_match import matches
from atoll.testing.conformance.scenario import OTHER, OURS, Scenario, announce, command, numbers, statuses
from atoll.testing.transports import TransportUnderTest

PATTERNS = {"order.*": "one-word", "order.#": "any-words", "*.*.added": "in-front", "order": "exact"}
NAMES = ("order", "order.created", "orders", "order.item.added", "user.created", "order.item.stock.added")


class Routing(Scenario):
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
            "app_id": conf.service_name(),
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
        waiting = Outbox.objects.filter(status="pending")
        # A slow machine would reach the time that the relay has chosen.
        waiting.update(next_attempt_at=Now() + timedelta(hours=1))
        assert relay.step(publisher) == 0
        waiting.update(next_attempt_at=Now())
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

    def test_a_body_of_a_megabyte_arrives_whole(
        self, transport: TransportUnderTest, publisher: Publisher
    ) -> None:
        transport.declare(OURS, "account.opened")
        announce(1, text="ü" * 500_000)
        relay.step(publisher)
        (arrival,) = transport.consumer(OURS).take(1)
        assert arrival.body == Outbox.objects.get().body.encode()
        assert len(arrival.body) > 1_000_000

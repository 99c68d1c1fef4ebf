"""Nothing is lost and nothing is stored twice when a process, a connection or a message fails."""

import random
from hashlib import sha256

import pytest

from atoll import wire
from atoll.bus.broker import transports
from atoll.bus.broker.publisher import Publisher
from atoll.bus.inbox import receiving
from atoll.bus.models import Delivery, Inbox, Outbox, Quarantine
from atoll.bus.outbox import relay
from atoll.bus.outbox import store as outbox
from atoll.testing.conformance.scenario import OURS, Receive, Scenario, announce, numbers, publish_again
from atoll.testing.transports import CutInMidBatch, TransportUnderTest

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


class Failures(Scenario):
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
        rows = outbox.due(200)
        publishers = [transport.publisher() for _ in range(4)]
        published: list[int] = []

        def work(publisher: Publisher, share: int) -> None:
            for start in range(share, 200, 40):
                published.extend(publisher.publish(rows[start : start + 10]).published)

        self._at_once([lambda p=p, s=10 * n: work(p, s) for n, p in enumerate(publishers)])
        assert sorted(published) == [row.id for row in rows]
        self._store_all(transport, 200)
        assert sorted(self._stored()) == list(range(200))

    def test_under_stress_every_message_is_stored_once(
        self, transport: TransportUnderTest, receive: Receive
    ) -> None:
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
                receive(doomed.take(20, transport.silence_s))
                transport.kill(doomed)
            else:
                relay.step(publisher)
        publish_again()
        relay.step(publisher)
        self._store_all(transport, 120, receive)
        assert sorted(self._stored()) == list(range(120))
        assert Quarantine.objects.count() == 0
        assert Delivery.objects.count() == 120

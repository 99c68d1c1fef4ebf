"""What the tests of the conformance suite share: this service's handlers, its messages, its stores."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from django.db import transaction
from django.db.models.functions import Now

from atoll.bus import Message, handles, on
from atoll.bus.broker.messages import Arrival
from atoll.bus.broker.publisher import Publisher
from atoll.bus.delivery.fast_path import FastPath
from atoll.bus.handlers import registry
from atoll.bus.inbox import receiving
from atoll.bus.models import Inbox, Outbox
from atoll.bus.publishing import publish_raw, send
from atoll.testing.transports import TAKE_TIMEOUT_S, PatientConsumer, TransportUnderTest

OURS, OTHER = "library-service", "other-service"

Receive = Callable[[Sequence[Arrival]], object]


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


class Scenario:
    """A test works inside its own database transaction, as any test of a service."""

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

    @pytest.fixture(params=["counted", "fast", "switched"])
    def receive(self, request: pytest.FixtureRequest) -> Receive:
        """Receiving without the fast path, with it, and with it every second time."""
        fast_path, turns = FastPath(first=0), itertools.count()

        def received(arrivals: Sequence[Arrival]) -> object:
            is_fast = request.param == "fast" or (request.param == "switched" and next(turns) % 2)
            return receiving.receive(arrivals, fast_path if is_fast else None)

        return received

    def _store_all(
        self, transport: TransportUnderTest, count: int, receive: Receive = receiving.receive
    ) -> None:
        """Receive as ingest does, until all is there and nothing more comes."""
        consumer = transport.consumer(OURS)
        while True:
            missing = count - Inbox.objects.count()
            arrivals = consumer.take(max(1, min(missing, 50)), transport.silence_s)
            arrivals = arrivals or (consumer.take(1) if missing else [])
            if not arrivals:
                break
            receive(arrivals)
            consumer.acknowledge()

    def _stored(self) -> list[int]:
        return [json.loads(body)["data"]["number"] for body in Inbox.objects.values_list("body", flat=True)]

    def _at_once(self, calls: list[Any]) -> None:
        threads = [threading.Thread(target=call) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

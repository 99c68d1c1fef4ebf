"""Timers: commands that a service sends itself later, in its own database."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.db import transaction
from django.utils import timezone
from testproject.models import Note

from atoll import context
from atoll.bus import Message, cancel_scheduled, handles, schedule
from atoll.bus.delivery import executor
from atoll.bus.delivery import store as deliveries
from atoll.bus.models import Delivery, Inbox
from atoll.errors import Misuse
from atoll.testing.bus import Bus

pytestmark = pytest.mark.usefixtures("handlers")


@dataclass
class Remind:
    command: ClassVar[str] = "remind"
    text: str


def notes() -> list[str]:
    return list(Note.objects.order_by("pk").values_list("text", flat=True))


def test_a_timer_fires_once_when_it_is_due(atoll_bus: Bus) -> None:
    @handles("remind")
    def remind(command: Remind, message: Message) -> None:
        Note.objects.create(text=command.text)

    with context.work(correlation_id="checkout-4711"), transaction.atomic():
        schedule(Remind("later"), after=timedelta(minutes=15))
    now = timezone.now()
    assert atoll_bus.run_due(now + timedelta(minutes=14)) == 0
    assert notes() == []
    assert atoll_bus.run_due(now + timedelta(minutes=16)) == 1
    assert atoll_bus.run_due(now + timedelta(minutes=60)) == 0
    assert notes() == ["later"]
    assert Inbox.objects.get().correlation_id == "checkout-4711"
    assert atoll_bus.sent() == []


@pytest.mark.parametrize(
    "bad",
    [
        {"after": timedelta(days=3_000_000)},  # PostgreSQL stores the year 10240
        {"after": timedelta.max},
        {"after": -timedelta(days=3_000_000)},
        {"after": timedelta(0), "token": "a\0b"},
        {"after": timedelta(0), "token": "\udcff"},
    ],
)
def test_a_timer_that_could_not_be_read_back_is_a_mistake(atoll_bus: Bus, bad: dict[str, Any]) -> None:
    @handles("remind")
    def remind(command: Remind, message: Message) -> None: ...

    with pytest.raises(Misuse):
        schedule(Remind("never"), **bad)
    assert not Delivery.objects.exists()


def test_a_cancelled_timer_does_not_fire(atoll_bus: Bus) -> None:
    @handles("remind")
    def remind(command: Remind, message: Message) -> None:
        Note.objects.create(text=command.text)

    schedule(Remind("one"), after=timedelta(minutes=1), token="order-1")
    schedule(Remind("two"), after=timedelta(minutes=1), token="order-2")
    assert cancel_scheduled("order-1") == 1
    assert cancel_scheduled("order-1") == 0
    atoll_bus.run_due(timezone.now() + timedelta(minutes=2))
    assert notes() == ["two"]
    assert set(Delivery.objects.values_list("token", "status")) == {
        ("order-1", "cancelled"),
        ("order-2", "done"),
    }


@pytest.mark.django_db(transaction=True)
def test_a_timer_cancelled_between_claim_and_run_does_not_fire(atoll_bus: Bus) -> None:
    @handles("remind")
    def remind(command: Remind, message: Message) -> None:
        Note.objects.create(text=command.text)

    with transaction.atomic():
        schedule(Remind("one"), after=timedelta(0), token="order-1")
    claim = deliveries.claim(Delivery.objects.get().id)
    assert claim is not None
    with transaction.atomic():
        assert cancel_scheduled("order-1") == 1
    executor.attempt(claim)
    assert notes() == []
    assert Delivery.objects.get().status == "cancelled"

"""Publishing refuses data that does not fit its definition, and writes nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest

from atoll import wire
from atoll.bus import Message, handles, publish, publishing, schedule, send
from atoll.bus.handlers import registry
from atoll.bus.models import Delivery, Outbox
from atoll.errors import Misuse
from atoll.testing.bus import Bus

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Line:
    price: Decimal


@dataclass(frozen=True)
class Billed:
    type: ClassVar[str] = "invoice.billed"
    command: ClassVar[str] = "bill.invoice"
    to: ClassVar[str] = "billing-service"
    outside: ClassVar[bool] = True
    invoice_id: UUID
    lines: list[Line]
    note: Any = None


@pytest.fixture(params=["publish", "send", "schedule"])
def announce(request: pytest.FixtureRequest, handlers: list[registry.Handler]) -> Callable[[Any], UUID]:
    @handles("bill.invoice")
    def bill(command: Billed, message: Message) -> None: ...

    ways: dict[str, Callable[[Any], UUID]] = {
        "publish": publish,
        "send": send,
        "schedule": lambda command: schedule(command, after=timedelta(hours=1)),
    }
    return ways[request.param]


def written() -> int:
    return Outbox.objects.count() + Delivery.objects.count()


def test_fitting_data_is_written(announce: Callable[[Any], UUID]) -> None:
    announce(Billed(uuid4(), [Line(Decimal("9.95"))], {"any": ["thing"]}))
    assert written() == 1


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (("7", []), "invoiceId: must be a UUID"),
        ((None, []), "invoiceId: must be a UUID, not null"),
        ((uuid4(), [Line(Decimal(1)), Line(9.95)]), r"lines\[1\].price: must be a Decimal"),  # type: ignore[arg-type]
        ((uuid4(), [Line(Decimal("NaN"))]), r"lines\[0\].price: is NaN"),
        ((uuid4(), [], "a\0b"), "note: contains the NUL character"),
        ((uuid4(), [], datetime(2026, 1, 1)), "note: has no time zone"),  # noqa: DTZ001
        ((uuid4(), [], object()), "note: object cannot be written"),
        ((uuid4(), [], ["x" * wire.MAX_BYTES]), "the largest field is note"),
    ],
)
def test_unfit_data_is_refused_with_its_field(
    announce: Callable[[Any], UUID], values: tuple[Any, ...], named: str
) -> None:
    with pytest.raises(Misuse, match=named):
        announce(Billed(*values))
    assert written() == 0


def test_a_message_as_deep_as_allowed_can_be_read_and_one_level_more_is_refused() -> None:
    def nested(levels: int) -> Any:
        return [nested(levels - 1)] if levels else 1

    publish(Billed(uuid4(), [], nested(30)))
    wire.loads(Outbox.objects.get().body.encode())
    with pytest.raises(Misuse, match="nests deeper"):
        publish(Billed(uuid4(), [], nested(31)))
    assert written() == 1


def test_data_published_by_hand_must_fit_the_newest_version_of_its_definition(atoll_bus: Bus) -> None:
    note_id = uuid4()
    publishing.publish_raw("note.priced", {"noteId": str(note_id).upper(), "price": "9.95", "colour": "red"})
    (envelope,) = atoll_bus.published("note.priced")
    timestamp = envelope["data"].pop("timestamp")
    assert envelope["version"] == 2
    assert envelope["data"] == {"noteId": str(note_id), "price": 9.95, "currency": "EUR", "colour": "red"}
    assert timestamp == envelope["timestamp"]
    for data, named in (
        ({"noteId": str(note_id)}, "price: is missing"),
        ({"noteId": "7", "price": 1}, "noteId: cannot be read as UUID"),
        ({"noteId": str(note_id), "price": 1, "colour": "\0"}, "colour: contains the NUL character"),
    ):
        with pytest.raises(Misuse, match=f"note.priced cannot be announced: {named}"):
            publishing.publish_raw("note.priced", data)
    assert written() == 1


def test_an_event_without_a_definition_may_be_published_by_hand(atoll_bus: Bus) -> None:
    publishing.publish_raw("note.unknown", {"anything": [1, None]})
    assert atoll_bus.published("note.unknown")[0]["data"]["anything"] == [1, None]
    with pytest.raises(Misuse, match=r"note.unknown cannot be announced: at: has no time zone"):
        publishing.publish_raw("note.unknown", {"at": datetime(2026, 1, 1)})  # noqa: DTZ001


def test_a_class_that_cannot_be_announced_is_a_mistake() -> None:
    class Plain:
        type: ClassVar[str] = "a.b"

    @dataclass
    class Versionless:
        type: ClassVar[str] = "a.b"
        version: ClassVar[Any] = 0

    @dataclass
    class Stamped:
        type: ClassVar[str] = "a.b"
        timestamp: datetime

    for mistake, named in (
        (Plain(), "no dataclass"),
        (Versionless(), "version is 0"),
        (Stamped(datetime.max.replace(tzinfo=UTC)), "timestamp would be lost"),
    ):
        with pytest.raises(Misuse, match=named):
            publish(mistake)
    assert written() == 0

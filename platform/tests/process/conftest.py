"""The handlers of the example process, and bookings in the states that tests begin with."""

from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from bookings.messages import Answer
from bookings.models import Booking
from bookings.process import HEARD_IN_TESTS, booking

from atoll.bus import Message, on
from atoll.bus.handlers import registry
from atoll.testing.harness import Bus

Tell = Callable[..., None]


@pytest.fixture
def handlers() -> Iterator[None]:
    """One handler for each answer of hotel and bank, for this test."""
    held = registry.handlers()
    for event in HEARD_IN_TESTS:
        _listen(event)
    yield
    registry._handlers[:] = held


def _listen(event: str) -> None:
    def hear(answer: Answer, message: Message) -> None:
        booking.hear(answer.booking_id, event, message=message)

    hear.__qualname__ = event
    on(event)(hear)


@pytest.fixture
def begun(db: None, handlers: None) -> Booking:
    return booking.begin(Booking(guest="Ada"), actor="user:ada")


@pytest.fixture
def tell(atoll_bus: Bus) -> Tell:
    """Deliver an answer about a booking; twice, each time under an id of its own, unless told otherwise."""

    def deliver(event: str, key: UUID, times: int = 2) -> None:
        rows = atoll_bus.deliver(event, {"bookingId": str(key)}, times=times)
        assert {row.status for row in rows} == {"done"}, [row.error for row in rows]

    return deliver

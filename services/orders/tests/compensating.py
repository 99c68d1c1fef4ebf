"""Messages about one order, and the state of its compensations after them."""

from datetime import timedelta

from services.orders.models import Order, OrderCompensation
from services.orders.usecases.advance import Origin

BY_STAFF = Origin(actor="staff:stan")
IN_TIME, TOO_LATE = timedelta(seconds=899), timedelta(seconds=901)


def tell(bus, event: str, order: Order, *, times: int = 1, **data) -> None:
    bus.deliver(event, {"orderId": str(order.id)} | data, times=times)


def compensations(order: Order) -> dict[str, str]:
    return dict(OrderCompensation.objects.filter(order=order).values_list("kind", "state"))


def commands(bus) -> list[str]:
    return [envelope["command"] for envelope in bus.sent()][2:]


def last(order: Order) -> tuple[str, str, bool]:
    entry = order.history.last()
    return entry.event, entry.undoing, entry.ignored

"""Reserve stock for an order: all items or none."""

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from atoll import wire
from atoll.bus import publish
from atoll.errors import InvalidInput
from services.products import stock
from services.products.events import Shortage, StockRejected, StockReserved
from services.products.models import StockReservation

State = StockReservation.State


def reserve_stock(order_id: UUID, items: Iterable[tuple[UUID, int]]) -> StockReservation:
    """Reserve every (product id, quantity) or nothing, and announce the result.

    The first call decides. A later call, with any items, announces the same result again; after a
    release the result is stock.rejected. Unknown and inactive products have no available stock.
    Raises InvalidInput without items and for a quantity below 1.
    """
    wanted = _wanted(items)
    with transaction.atomic(savepoint=False):
        reservation = _reserved(order_id, wanted)
        _announce(reservation)
    return reservation


def _reserved(order_id: UUID, wanted: Counter[UUID]) -> StockReservation:
    is_new, shortages = stock.reserve(order_id, wanted)
    if not is_new:
        return StockReservation.objects.select_for_update().get(order_id=order_id)
    reservation = StockReservation(order_id=order_id, state=State.HELD)
    if shortages:
        reservation.state, reservation.shortages = State.REJECTED, shortages
        reservation.save(update_fields=["state", "shortages", "updated_at"])
    return reservation


def _wanted(items: Iterable[tuple[UUID, int]]) -> Counter[UUID]:
    wanted: Counter[UUID] = Counter()
    for product_id, quantity in items:
        if quantity < 1:
            raise InvalidInput(f"A quantity must be at least 1, not {quantity} of {product_id}.")
        wanted[product_id] += quantity
    if not wanted:
        raise InvalidInput("An order without items cannot reserve stock.")
    return wanted


def _announce(reservation: StockReservation) -> None:
    order_id = reservation.order_id
    if reservation.state in {State.HELD, State.COMMITTED}:
        publish(StockReserved(order_id=order_id), key=str(order_id))
        return
    shortages = [wire.from_payload(Shortage, shortage) for shortage in reservation.shortages]
    publish(StockRejected(order_id=order_id, shortages=shortages), key=str(order_id))

"""Reserve stock for an order: all items or none."""

from collections import Counter
from collections.abc import Iterable
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from atoll import wire
from atoll.bus import publish
from atoll.errors import InvalidInput
from services.products.cache import invalidate_on_commit
from services.products.events import Shortage, StockRejected, StockReserved
from services.products.models import Product, ReservedItem, StockReservation

State = StockReservation.State


def reserve_stock(order_id: UUID, items: Iterable[tuple[UUID, int]]) -> StockReservation:
    """Reserve every (product id, quantity) or nothing, and announce the result.

    The first call decides. A later call, with any items, announces the same result again; after a
    release the result is stock.rejected. Unknown and inactive products have no available stock.
    Raises InvalidInput without items and for a quantity below 1.
    """
    wanted = _wanted(items)
    with transaction.atomic():
        reservation, is_new = StockReservation.objects.locked(order_id, state_if_new=State.HELD)
        if is_new:
            _decide(reservation, wanted)
        _announce(reservation)
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


def _decide(reservation: StockReservation, wanted: Counter[UUID]) -> None:
    products = Product.objects.locked(wanted)
    shortages = [
        Shortage(product_id=product_id, requested=quantity, available=available)
        for product_id, quantity in wanted.items()
        if (available := _available(products.get(product_id))) < quantity
    ]
    if shortages:
        reservation.state = State.REJECTED
        reservation.shortages = [
            {"productId": str(s.product_id), "requested": s.requested, "available": s.available}
            for s in shortages
        ]
        reservation.save(update_fields=["state", "shortages", "updated_at"])
        return
    now = timezone.now()
    for product_id, product in products.items():
        product.stock_reserved += wanted[product_id]
        product.updated_at = now
    Product.objects.bulk_update(products.values(), ["stock_reserved", "updated_at"])
    ReservedItem.objects.bulk_create(
        ReservedItem(reservation=reservation, product_id=product_id, quantity=quantity)
        for product_id, quantity in sorted(wanted.items())
    )
    invalidate_on_commit(products)


def _available(product: Product | None) -> int:
    return product.stock_available if product is not None and product.is_active else 0


def _announce(reservation: StockReservation) -> None:
    order_id = reservation.order_id
    if reservation.state in {State.HELD, State.COMMITTED}:
        publish(StockReserved(order_id=order_id), key=str(order_id))
        return
    shortages = [wire.from_payload(Shortage, shortage) for shortage in reservation.shortages]
    publish(StockRejected(order_id=order_id, shortages=shortages), key=str(order_id))

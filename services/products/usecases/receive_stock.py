"""Book a delivery, a loss or a new count of the stock."""

from uuid import UUID

from django.db import transaction

from atoll.bus import publish
from services.products.cache import invalidate_on_commit
from services.products.errors import InvalidProduct, ProductNotFound, StockOutOfBounds
from services.products.events import ProductUpdated
from services.products.models import MAX_STOCK, Product, StockMovement
from services.products.usecases.changes import announced

REASON_MAX_CHARS = 200


def receive_stock(product_id: UUID, *, amount: int, reason: str, actor: str) -> StockMovement:
    """Add ``amount`` pieces, or subtract them if it is negative. The history stores actor and reason.

    Raises ProductNotFound, InvalidProduct for an amount of 0 or a missing reason, StockOutOfBounds
    for a stock on hand below the reserved stock or above MAX_STOCK.
    """
    reason = reason.strip()
    if not amount:
        raise InvalidProduct("The amount must not be zero.", details={"amount": ["Must not be zero."]})
    if not 0 < len(reason) <= REASON_MAX_CHARS:
        raise InvalidProduct(
            f"Give a reason of 1 to {REASON_MAX_CHARS} characters.",
            details={"reason": [f"Must have 1 to {REASON_MAX_CHARS} characters."]},
        )
    with transaction.atomic():
        product = Product.objects.locked([product_id]).get(product_id)
        if product is None:
            raise ProductNotFound(product_id)
        after = product.stock_on_hand + amount
        if not product.stock_reserved <= after <= MAX_STOCK:
            raise StockOutOfBounds(
                f"{product.sku} has {product.stock_on_hand} on hand and {product.stock_reserved} reserved; "
                f"{amount:+d} must leave between {product.stock_reserved} and {MAX_STOCK}.",
                details={"stockOnHand": product.stock_on_hand, "stockReserved": product.stock_reserved},
            )
        product.stock_on_hand = after
        product.save(update_fields=["stock_on_hand", "updated_at"])
        movement = StockMovement.objects.create(product=product, amount=amount, reason=reason, actor=actor)
        publish(
            ProductUpdated(product_id=product.id, changes=announced(product, ["stock_on_hand"])),
            key=str(product.id),
        )
        invalidate_on_commit()
    return movement

"""Add a product to the catalogue."""

from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from atoll.bus import publish
from services.products.cache import invalidate_on_commit
from services.products.errors import InvalidProduct, SkuTaken
from services.products.events import ProductCreated
from services.products.models import Product, StockMovement, shop_currency
from services.products.usecases.changes import announced

INITIAL_STOCK = "initial stock"


def create_product(
    *,
    sku: str,
    name: str,
    category: str,
    price: Decimal,
    actor: str,
    description: str = "",
    currency: str | None = None,
    stock_on_hand: int = 0,
    is_active: bool = True,
) -> Product:
    """Store the product, book its first stock and announce product.created.

    The stock's history stores ``actor``. Without ``currency`` the price is in the shop's currency.
    Raises InvalidProduct, and SkuTaken if another product, active or not, has the SKU.
    """
    product = Product(
        sku=sku,
        name=name,
        category=category,
        price=price,
        description=description,
        currency=currency or shop_currency(),
        stock_on_hand=stock_on_hand,
        is_active=is_active,
    )
    try:
        product.check_values()
    except ValidationError as error:
        raise InvalidProduct.of(error) from None
    with transaction.atomic():
        try:
            with transaction.atomic():
                product.save(force_insert=True)
        except IntegrityError as error:
            if "sku" in str(error):
                raise SkuTaken(sku) from None
            raise
        if stock_on_hand:
            StockMovement.objects.create(
                product=product, amount=stock_on_hand, reason=INITIAL_STOCK, actor=actor
            )
        publish(
            ProductCreated(product_id=product.id, changes=announced(product)),
            key=str(product.id),
        )
        invalidate_on_commit()
    return product

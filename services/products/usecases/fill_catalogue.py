"""Store many products at once."""

from collections.abc import Iterable

from django.db import connection, transaction

from services.products.cache import invalidate_on_commit
from services.products.models import Product, StockMovement
from services.products.usecases.create_product import INITIAL_STOCK

# The number of an advisory lock; no other code of this database uses it.
ONE_AT_A_TIME = 7_390_112


def fill_catalogue(products: Iterable[Product], *, actor: str) -> int:
    """Store the products with a new SKU and book their stock. Returns their number.

    Existing products do not change. Raises ValidationError for an invalid product, and then stores
    nothing. If two processes call it at once, the second one waits. It announces no events, because it
    fills the catalogue before other services need them.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
        known = set(Product.objects.values_list("sku", flat=True))
        new = [product for product in products if product.sku not in known]
        for product in new:
            product.check_values()
        Product.objects.bulk_create(new)
        StockMovement.objects.bulk_create(
            StockMovement(product=product, amount=product.stock_on_hand, reason=INITIAL_STOCK, actor=actor)
            for product in new
            if product.stock_on_hand
        )
        invalidate_on_commit()
    return len(new)

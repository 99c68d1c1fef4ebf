"""Put many products into an empty or half-filled catalogue at once."""

from collections.abc import Iterable

from django.db import connection, transaction

from services.products.cache import forget_on_commit
from services.products.models import Product, StockMovement
from services.products.usecases.create_product import INITIAL_STOCK

# Any number that nobody else in this database locks by.
ONE_AT_A_TIME = 7_390_112


def fill_catalogue(products: Iterable[Product], *, actor: str) -> int:
    """Store those whose SKU is new and book their stock; the number stored.

    Existing products stay as they are. Raises ValidationError, and stores nothing, for a product
    that is not valid. Two callers at once: the second waits and
    finds nothing to do. No events: this is for a catalogue nobody listens to yet.
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
        forget_on_commit([])
    return len(new)

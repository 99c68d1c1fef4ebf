"""Make products from the shelves; prices and stock are the same on every machine."""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from hashlib import sha256

from services.products.catalogue.goods import SHELVES, Shelf, Thing, Variant
from services.products.models import Product

PRICE_ENDING = Decimal("0.10")


def demo_products() -> Iterator[Product]:
    """Unsaved products, one of each thing in each variant."""
    for shelf in SHELVES:
        for thing in shelf.things:
            for variant in shelf.variants:
                yield _product(shelf, thing, variant)


def _product(shelf: Shelf, thing: Thing, variant: Variant) -> Product:
    sku = f"{shelf.code}-{thing.code}-{variant.code}"
    euros = (Decimal(thing.price) * variant.price_percent / 100).quantize(Decimal(1), ROUND_HALF_UP)
    return Product(
        sku=sku,
        name=f"{variant.name} {thing.name}",
        description=f"{thing.words} {variant.words}",
        category=shelf.category,
        price=euros - PRICE_ENDING,
        currency="EUR",
        stock_on_hand=_stock(sku),
    )


def _stock(sku: str) -> int:
    """Many pieces of most products, few of some and none of others, as in a real shop."""
    number = int.from_bytes(sha256(sku.encode()).digest()[:4])
    match number % 20:
        case 0:
            return 0
        case 1 | 2:
            return 1 + number % 7
        case _:
            return 40 + number % 360

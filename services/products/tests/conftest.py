from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.core.cache import cache

from services.products import cache as catalogue_cache
from services.products.models import Product

MakeProduct = Callable[..., Product]


@pytest.fixture(autouse=True)
def own_cache(settings: LazySettings) -> Iterator[None]:
    """Each test has keys of its own on the real server, and no memory of an outage."""
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": f"test-{uuid4().hex}"}}
    catalogue_cache.away.until = 0.0
    yield
    cache.close()


@pytest.fixture
def make_product(db: None) -> MakeProduct:
    """``make_product(stock_on_hand=5)``: a product in the table, without events."""
    numbers = count(1)

    def make(**values: Any) -> Product:
        number = next(numbers)
        defaults = {
            "sku": f"TST-{number:04}",
            "name": f"Thing {number}",
            "category": "things",
            "price": Decimal("10.00"),
            "stock_on_hand": 10,
        }
        return Product.objects.create(**defaults | values)

    return make

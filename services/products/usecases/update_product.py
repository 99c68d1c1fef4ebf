"""Change the fields of a product; receive_stock and orders change its stock."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from atoll.bus import publish
from atoll.errors import Misuse
from services.products.cache import invalidate_on_commit
from services.products.errors import InvalidProduct, ProductNotFound, SkuTaken
from services.products.events import ProductUpdated
from services.products.models import Product
from services.products.usecases.changes import EDITABLE, announced


def update_product(product_id: UUID, values: Mapping[str, Any]) -> Product:
    """Set the given fields, and announce product.updated with the fields that have a new value.

    Without a new value it writes and announces nothing. ``is_active`` brings a product back or takes it
    out of the catalogue. Raises ProductNotFound, InvalidProduct, SkuTaken.
    """
    unknown = set(values) - set(EDITABLE)
    if unknown:
        raise Misuse(f"update_product cannot set {sorted(unknown)}; it may set {', '.join(EDITABLE)}.")
    with transaction.atomic():
        product = Product.objects.locked([product_id]).get(product_id)
        if product is None:
            raise ProductNotFound(product_id)
        changed = [field for field, value in values.items() if getattr(product, field) != value]
        if not changed:
            return product
        for field in changed:
            setattr(product, field, values[field])
        try:
            product.check_values()
        except ValidationError as error:
            raise InvalidProduct.of(error) from None
        try:
            with transaction.atomic():
                product.save(update_fields=[*changed, "updated_at"])
        except IntegrityError as error:
            if "sku" in str(error):
                raise SkuTaken(product.sku) from None
            raise
        publish(
            ProductUpdated(product_id=product.id, changes=announced(product, changed)),
            key=str(product.id),
        )
        invalidate_on_commit()
    return product

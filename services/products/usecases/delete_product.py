"""Take a product out of the catalogue."""

from uuid import UUID

from django.db import transaction

from atoll.bus import publish
from services.products.cache import invalidate_on_commit
from services.products.errors import ProductNotFound
from services.products.events import ProductDeleted
from services.products.models import Product
from services.products.usecases.changes import announced


def delete_product(product_id: UUID) -> Product:
    """Make the product inactive and announce product.deleted; idempotent.

    The row stays, because open orders still release or commit its stock. update_product can make it
    active again. Raises ProductNotFound.
    """
    with transaction.atomic():
        product = Product.objects.locked([product_id]).get(product_id)
        if product is None:
            raise ProductNotFound(product_id)
        if product.is_active:
            product.is_active = False
            product.save(update_fields=["is_active", "updated_at"])
            publish(
                ProductDeleted(product_id=product.id, changes=announced(product, ["is_active"])),
                key=str(product.id),
            )
            invalidate_on_commit()
    return product

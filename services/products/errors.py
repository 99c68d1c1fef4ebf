"""The refusals of products."""

from uuid import UUID

from django.core.exceptions import ValidationError

from atoll import errors, wire


class ProductNotFound(errors.NotFound):
    title = "Product not found"
    default_code = "product_not_found"

    def __init__(self, product_id: UUID) -> None:
        super().__init__(f"There is no product {product_id} in the catalogue.")


class SkuTaken(errors.Conflict):
    default_code = "sku_taken"

    def __init__(self, sku: str) -> None:
        super().__init__(f"Another product has the SKU {sku}. Choose another one, or change that product.")


class InvalidProduct(errors.InvalidInput):
    default_code = "invalid_product"

    @classmethod
    def of(cls, error: ValidationError) -> "InvalidProduct":
        return cls(
            "The product is not valid; details names the fields.", details=wire.camelize(error.message_dict)
        )


class StockOutOfBounds(errors.Conflict):
    default_code = "stock_out_of_bounds"


class ReservationNotHeld(errors.Conflict):
    """The order has no reservation that it could commit."""

    default_code = "reservation_not_held"

"""What products announces. ``changes`` holds the new value of every field that changed, by wire name."""

from dataclasses import dataclass, field
from typing import Any, ClassVar
from uuid import UUID


@dataclass(frozen=True, kw_only=True)
class ProductCreated:
    type: ClassVar[str] = "product.created"
    version: ClassVar[int] = 1

    product_id: UUID
    changes: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ProductUpdated:
    type: ClassVar[str] = "product.updated"
    version: ClassVar[int] = 1

    product_id: UUID
    changes: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class ProductDeleted:
    """The product left the catalogue: it cannot be ordered any more. Its row stays."""

    type: ClassVar[str] = "product.deleted"
    version: ClassVar[int] = 1

    product_id: UUID
    changes: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Shortage:
    product_id: UUID
    requested: int
    available: int


@dataclass(frozen=True, kw_only=True)
class StockReserved:
    """Everything the order asked for is held for it until it is released or committed."""

    type: ClassVar[str] = "stock.reserved"
    version: ClassVar[int] = 1

    order_id: UUID
    shortages: list[Shortage] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class StockRejected:
    """Nothing is held for the order. No shortages: it was released before it was reserved."""

    type: ClassVar[str] = "stock.rejected"
    version: ClassVar[int] = 1

    order_id: UUID
    shortages: list[Shortage]


@dataclass(frozen=True, kw_only=True)
class StockReleased:
    """The answer to release.stock: nothing is held for the order, and nothing ever will be."""

    type: ClassVar[str] = "stock.released"
    version: ClassVar[int] = 1

    order_id: UUID


@dataclass(frozen=True, kw_only=True)
class StockReleaseFailed:
    """The other answer to release.stock: what the order held cannot be given back any more."""

    type: ClassVar[str] = "stock.release_failed"
    version: ClassVar[int] = 1

    order_id: UUID
    reason: str


@dataclass(frozen=True, kw_only=True)
class StockReturned:
    """The answer to return.stock: all that the order bought is in the stock again."""

    type: ClassVar[str] = "stock.returned"
    version: ClassVar[int] = 1

    order_id: UUID


@dataclass(frozen=True, kw_only=True)
class StockReturnFailed:
    """The other answer to return.stock. ``reason``: "not_sold", or "stock_out_of_bounds" for want of room."""

    type: ClassVar[str] = "stock.return_failed"
    version: ClassVar[int] = 1

    order_id: UUID
    reason: str

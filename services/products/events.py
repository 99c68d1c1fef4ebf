"""The events of products. ``changes`` has the new value of every changed field, by its name on the wire."""

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
    """The product is inactive: customers cannot order it. Its row stays."""

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
    """All items are reserved until the order releases or commits them."""

    type: ClassVar[str] = "stock.reserved"
    version: ClassVar[int] = 1

    order_id: UUID
    shortages: list[Shortage] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class StockRejected:
    """Nothing is reserved. Without shortages: a release arrived before the reservation."""

    type: ClassVar[str] = "stock.rejected"
    version: ClassVar[int] = 1

    order_id: UUID
    shortages: list[Shortage]


@dataclass(frozen=True, kw_only=True)
class StockReleased:
    """The positive answer to release.stock: nothing is or will be reserved for the order."""

    type: ClassVar[str] = "stock.released"
    version: ClassVar[int] = 1

    order_id: UUID


@dataclass(frozen=True, kw_only=True)
class StockReleaseFailed:
    """The negative answer to release.stock: the reservation cannot be released any more."""

    type: ClassVar[str] = "stock.release_failed"
    version: ClassVar[int] = 1

    order_id: UUID
    reason: str


@dataclass(frozen=True, kw_only=True)
class StockReturned:
    """The positive answer to return.stock: all items of the order are in the stock again."""

    type: ClassVar[str] = "stock.returned"
    version: ClassVar[int] = 1

    order_id: UUID


@dataclass(frozen=True, kw_only=True)
class StockReturnFailed:
    """The negative answer to return.stock. ``reason`` is "not_sold" or "stock_out_of_bounds"."""

    type: ClassVar[str] = "stock.return_failed"
    version: ClassVar[int] = 1

    order_id: UUID
    reason: str

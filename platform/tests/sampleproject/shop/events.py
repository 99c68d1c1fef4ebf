"""The messages that the shop publishes, sends and receives."""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar
from uuid import UUID


@dataclass(frozen=True)
class BasketOrdered:
    type: ClassVar[str] = "basket.ordered"
    version: ClassVar[int] = 2
    basket_id: UUID
    total: Decimal
    currency: str


@dataclass(frozen=True)
class PackBasket:
    command: ClassVar[str] = "pack.basket"
    to: ClassVar[str] = "warehouse"
    basket_id: UUID


@dataclass(frozen=True)
class RemindCustomer:
    command: ClassVar[str] = "remind.customer"
    basket_id: UUID


@dataclass(frozen=True)
class BasketPacked:
    basket_id: UUID
    weight_g: int

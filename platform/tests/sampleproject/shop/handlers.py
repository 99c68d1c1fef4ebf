"""The handlers of the shop."""

from dataclasses import dataclass
from decimal import Decimal
from typing import assert_type
from uuid import UUID

from atoll.bus import Dead, Message, Retry, handles, on, upcast
from shop import models
from shop.clients import price_of
from shop.events import BasketPacked, RemindCustomer


@dataclass(frozen=True)
class ChangePrice:
    product_id: UUID


def ask_price(command: ChangePrice, message: Message) -> Decimal:
    price = price_of(command.product_id)
    if price is None:
        raise Dead(f"{command.product_id} has no price")
    return price


@on("basket.packed", retry=Retry(immediate=1, delayed_s=(5, 60)), ordered=True, name="mark-packed")
def mark_packed(event: BasketPacked, message: Message) -> None:
    assert_type(message.attempt, int)
    models.mark_packed(event.basket_id)


@handles("remind.customer", timeout_s=5)
def remind_customer(command: RemindCustomer, message: Message) -> None:
    assert_type(message.correlation_id, str)


@handles("change.price", before=ask_price, run="pool")
def change_price(command: ChangePrice, message: Message, price: Decimal) -> None:
    models.fill(command.product_id, price)


@upcast("basket.packed", from_version=1)
def weight_in_grams(data: dict[str, object]) -> dict[str, object]:
    return data | {"weightG": 0}

"""Handlers of products; each runs in one transaction of the bus."""

from dataclasses import dataclass
from uuid import UUID

from atoll.bus import Dead, Message, handles, on
from atoll.errors import InvalidInput
from atoll.forgetting import forget_person
from services.products.errors import ReservationNotHeld
from services.products.usecases.commit_stock import commit_stock
from services.products.usecases.release_stock import release_stock
from services.products.usecases.reserve_stock import reserve_stock
from services.products.usecases.return_stock import return_stock


@dataclass(frozen=True)
class Item:
    product_id: UUID
    quantity: int


@dataclass(frozen=True)
class OrderWithItems:
    order_id: UUID
    items: list[Item]


@dataclass(frozen=True)
class OrderOfReservation:
    """Release, commit and return use the items of the reservation and ignore items in the command."""

    order_id: UUID


@handles("reserve.stock")
def on_reserve_stock(command: OrderWithItems, message: Message) -> None:
    try:
        reserve_stock(command.order_id, [(item.product_id, item.quantity) for item in command.items])
    except InvalidInput as error:
        raise Dead(str(error)) from error


@handles("release.stock")
def on_release_stock(command: OrderOfReservation, message: Message) -> None:
    release_stock(command.order_id)


@handles("commit.stock")
def on_commit_stock(command: OrderOfReservation, message: Message) -> None:
    try:
        commit_stock(command.order_id)
    except ReservationNotHeld as error:
        # A customer paid for goods that are not reserved: a person must look.
        raise Dead(str(error)) from error


@handles("return.stock")
def on_return_stock(command: OrderOfReservation, message: Message) -> None:
    return_stock(command.order_id)


@dataclass(frozen=True)
class UserDeleted:
    user_id: UUID


@on("user.deleted")
def on_user_deleted(event: UserDeleted, message: Message) -> None:
    """Products stores no personal data of its own; the bus erases its copies."""
    forget_person(event.user_id)

"""What orders asks of the stock."""

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
class OrderNamed:
    """Release, commit and return act on what was reserved; whatever items they name are ignored."""

    order_id: UUID


@handles("reserve.stock")
def on_reserve_stock(command: OrderWithItems, message: Message) -> None:
    try:
        reserve_stock(command.order_id, [(item.product_id, item.quantity) for item in command.items])
    except InvalidInput as error:
        raise Dead(str(error)) from error


@handles("release.stock")
def on_release_stock(command: OrderNamed, message: Message) -> None:
    release_stock(command.order_id)


@handles("commit.stock")
def on_commit_stock(command: OrderNamed, message: Message) -> None:
    try:
        commit_stock(command.order_id)
    except ReservationNotHeld as error:
        # Somebody was charged for goods nobody holds for them: a person must look.
        raise Dead(str(error)) from error


@handles("return.stock")
def on_return_stock(command: OrderNamed, message: Message) -> None:
    return_stock(command.order_id)


@dataclass(frozen=True)
class UserDeleted:
    user_id: UUID


@on("user.deleted")
def on_user_deleted(event: UserDeleted, message: Message) -> None:
    """An account was deleted: what this service copied of it goes."""
    forget_person(event.user_id)

"""Mistakes that the type checker finds. A comment names the error that each line must give."""

from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from atoll import bus
from atoll.bus import Message, handles, on
from atoll.client import ServiceClient
from shop.events import BasketOrdered, BasketPacked, PackBasket, RemindCustomer


class NoDataclass:
    type: ClassVar[str] = "no.dataclass"


@dataclass
class NumberedEvent:
    type: ClassVar[int] = 7


def publish_wrongly(ordered: BasketOrdered, packed: BasketPacked, pack: PackBasket) -> None:
    bus.publish({"type": "basket.ordered"})  # expect: arg-type
    bus.publish(packed)  # expect: arg-type
    bus.publish(pack)  # expect: arg-type
    bus.publish(NoDataclass())  # expect: arg-type
    bus.publish(NumberedEvent())  # expect: arg-type
    bus.publish(ordered, key=7)  # expect: arg-type
    bus.publish(ordered, to="warehouse")  # expect: call-arg


def send_wrongly(remind: RemindCustomer, pack: PackBasket, ordered: BasketOrdered) -> None:
    bus.send(remind)  # expect: call-overload
    bus.send(ordered, to="warehouse")  # expect: call-overload
    bus.send(pack, to=7)  # expect: call-overload
    bus.schedule(remind)  # expect: call-arg
    bus.schedule(remind, after=60)  # expect: arg-type
    bus.schedule(ordered, after=timedelta(seconds=60))  # expect: arg-type


@on("basket.packed")  # expect: type-var
def without_message(event: BasketPacked) -> None: ...


@on("basket.packed")  # expect: type-var
def with_an_answer(event: BasketPacked, message: Message) -> int:
    return event.weight_g


@on("basket.packed", ordered="yes")  # expect: arg-type
def with_a_text(event: BasketPacked, message: Message) -> None: ...


def weigh(command: RemindCustomer, message: Message) -> int:
    return 7


@handles("remind.customer", before=weigh)  # expect: arg-type
def with_another_answer(command: RemindCustomer, message: Message, weight: str) -> None: ...


@handles("remind.customer", before=weigh)  # expect: arg-type
def without_the_answer(command: RemindCustomer, message: Message) -> None: ...


def ask_wrongly(client: ServiceClient) -> None:
    client.get("/products", query={"id": "7"})  # expect: call-arg
    client.get("/products", timeout_s="2")  # expect: arg-type
    client.get("/products", token=True)  # expect: arg-type
    client.post("/products", {}, params=["id"])  # expect: arg-type
    weight: str = client.get("/products").json(BasketPacked).weight_g  # expect: assignment
    print(weight)
    bus.celery_app(7)  # expect: arg-type

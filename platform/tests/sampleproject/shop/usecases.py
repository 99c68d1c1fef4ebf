"""The use cases of the shop."""

from datetime import timedelta
from decimal import Decimal
from typing import assert_type
from uuid import UUID

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from atoll import bus, money
from atoll.ids import uuid7
from shop import models
from shop.events import BasketOrdered, PackBasket, RemindCustomer


def order_basket(total: Decimal) -> UUID:
    basket_id = uuid7()
    with transaction.atomic():
        models.fill(basket_id, total)
        sent = bus.publish(BasketOrdered(basket_id, money.check(total, "EUR"), "EUR"), key=str(basket_id))
        assert_type(sent, UUID)
        bus.send(PackBasket(basket_id))
        bus.send(RemindCustomer(basket_id), to="letters")
        bus.schedule(RemindCustomer(basket_id), after=timedelta(days=1), token=f"remind-{basket_id}")
    return basket_id


def forget_basket(basket_id: UUID) -> None:
    with transaction.atomic():
        assert_type(bus.cancel_scheduled(f"remind-{basket_id}"), int)


def order_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(order_basket(Decimal("19.90"))))

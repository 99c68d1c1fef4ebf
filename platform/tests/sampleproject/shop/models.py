"""The basket of a customer."""

from decimal import Decimal
from uuid import UUID

from django.db import models


class Basket(models.Model):
    id = models.UUIDField(primary_key=True)
    total = models.DecimalField(max_digits=19, decimal_places=4)
    is_packed = models.BooleanField(default=False)

    def __str__(self) -> str:
        return str(self.id)


def fill(basket_id: UUID, total: Decimal) -> None:
    Basket.objects.update_or_create(id=basket_id, defaults={"total": total})


def mark_packed(basket_id: UUID) -> None:
    Basket.objects.filter(id=basket_id).update(is_packed=True)


def is_packed(basket_id: UUID) -> bool:
    return Basket.objects.filter(id=basket_id, is_packed=True).exists()

"""Reading orders. Whoever may not see an order is told that there is none."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from atoll.errors import NotFound
from services.orders.compensation import Compensation, Undoing
from services.orders.course import MONEY_BACK, OPEN, Status
from services.orders.models import Order

RECENT = 5
OVERDUE_AFTER = timedelta(seconds=30)


@dataclass(frozen=True)
class Summary:
    """A user's orders at a glance. ``total`` counts all; ``total_value`` only those whose money stays."""

    total: int
    recent: list[Order]
    total_value: Decimal


def orders_of(user_id: UUID | None) -> QuerySet[Order]:
    """Orders with all that is shown of them, newest first; of everybody when ``user_id`` is None."""
    orders = Order.objects.prefetch_related("lines", "compensations")
    return orders if user_id is None else orders.filter(user_id=user_id)


def find_order(order_id: UUID, *, owner: UUID | None) -> Order:
    """One order with lines and history. Raises NotFound, also when it is somebody else's."""
    order = orders_of(owner).prefetch_related("history").filter(pk=order_id).first()
    if order is None:
        raise NotFound("You have no order with this id.", code="order_not_found", title="Order not found")
    return order


def summary_of(user_id: UUID) -> Summary:
    figures = Order.objects.filter(user_id=user_id).aggregate(
        orders=Count("pk"), value=Sum("total", filter=~Q(status__in=MONEY_BACK))
    )
    return Summary(
        total=figures["orders"],
        recent=list(orders_of(user_id)[:RECENT]),
        total_value=figures["value"] or Decimal("0.00"),
    )


def open_orders() -> QuerySet[Order]:
    return Order.objects.filter(status__in=OPEN)


def count_open_orders() -> int:
    return open_orders().count()


def overdue_orders() -> QuerySet[Order]:
    """Open orders whose deadline passed more than OVERDUE_AFTER ago: a worker should have ended them."""
    return open_orders().filter(deadline_at__lt=timezone.now() - OVERDUE_AFTER)


def count_overdue_orders() -> int:
    return overdue_orders().count()


def orders_with_goods_out() -> QuerySet[Order]:
    """Refunded orders whose goods were not said to be back: their stock counts as sold."""
    return Order.objects.filter(status=Status.REFUNDED).exclude(compensations__kind=Compensation.RETURN)


def orders_being_undone() -> QuerySet[Order]:
    """Orders with something that was asked to be undone and is not confirmed yet."""
    return Order.objects.filter(compensations__state=Undoing.ASKED).distinct()


def orders_not_undone() -> QuerySet[Order]:
    """Orders with something that failed to be undone: a person must look."""
    return Order.objects.filter(compensations__state=Undoing.FAILED).distinct()


def count_orders_not_undone() -> int:
    return orders_not_undone().count()

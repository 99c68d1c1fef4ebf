"""Reading orders. Whoever may not see an order is told that there is none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, Max, Q, QuerySet, Sum, prefetch_related_objects
from django.utils import timezone

from atoll.errors import NotFound
from services.orders.compensation import Compensation, Undoing
from services.orders.course import MONEY_BACK, OPEN, Status
from services.orders.models import Order, OrderLine

RECENT = 5
# An order has 100 at most: two large ones, or a hundred of the usual size.
LINES_PER_PAGE = 200
OVERDUE_AFTER = timedelta(seconds=30)


@dataclass(frozen=True)
class CurrencyTotal:
    """What orders in one currency come to. ``orders`` counts all; ``total`` only those whose money stays."""

    currency: str
    orders: int
    total: Decimal


@dataclass(frozen=True)
class Summary:
    """A user's orders at a glance; ``totals`` has the currency of the most orders first."""

    total: int
    recent: list[Order]
    totals: list[CurrencyTotal]

    @property
    def total_value(self) -> Decimal:
        """The first of the totals. Amounts of two currencies have no sum."""
        return self.totals[0].total if self.totals else Decimal(0)

    @property
    def total_value_currency(self) -> str | None:
        """That of ``total_value``; None without orders."""
        return self.totals[0].currency if self.totals else None


def orders_of(user_id: UUID | None) -> QuerySet[Order]:
    """Orders as a list shows them, their lines aside, newest first; everybody's when ``user_id`` is None."""
    orders = Order.objects.prefetch_related("compensations")
    return orders if user_id is None else orders.filter(user_id=user_id)


def show_lines(orders: Sequence[Order]) -> None:
    """Read the lines of a page of orders, as long as they are LINES_PER_PAGE at most.

    Every order gets its ``item_count``. In the order of the page, each whose lines still fit gets
    its ``shown_lines``; the others keep None, and are read one by one.
    """
    lines = OrderLine.objects.filter(order__in=orders)
    counts = dict(lines.order_by().values_list("order").annotate(Count("pk")))
    fitting, left = [], LINES_PER_PAGE
    for order in orders:
        order.item_count = counts.get(order.pk, 0)
        if order.item_count <= left:
            left -= order.item_count
            fitting.append(order)
    prefetch_related_objects(fitting, "lines")
    for order in fitting:
        order.shown_lines = list(order.lines.all())


def find_order(order_id: UUID, *, owner: UUID | None) -> Order:
    """One order with lines and history. Raises NotFound, also when it is somebody else's."""
    order = orders_of(owner).prefetch_related("lines", "history").filter(pk=order_id).first()
    if order is None:
        raise NotFound("You have no order with this id.", code="order_not_found", title="Order not found")
    order.shown_lines = list(order.lines.all())
    order.item_count = len(order.shown_lines)
    return order


def summary_of(user_id: UUID) -> Summary:
    """The sums per currency: the one with the most orders first, the later used one of two alike."""
    figures = (
        Order.objects.filter(user_id=user_id)
        .order_by()
        .values("currency")
        .annotate(
            orders=Count("pk"),
            value=Sum("total", filter=~Q(status__in=MONEY_BACK)),
            newest=Max("created_at"),
        )
        .order_by("-orders", "-newest", "currency")
    )
    totals = [CurrencyTotal(row["currency"], row["orders"], row["value"] or Decimal(0)) for row in figures]
    recent = list(orders_of(user_id)[:RECENT])
    show_lines(recent)
    return Summary(
        total=sum(row.orders for row in totals),
        recent=recent,
        totals=totals,
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

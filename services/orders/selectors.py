"""Queries about orders. For a user without access an order does not exist."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from django.db.models import Count, Max, Q, QuerySet, Sum, prefetch_related_objects
from django.utils import timezone

from atoll.errors import NotFound
from services.orders.compensation import Compensation, CompensationState
from services.orders.models import Order, OrderLine
from services.orders.state_machine import MONEY_BACK, OPEN, Status
from services.orders.statements import read_order

RECENT = 5
# Enough for two orders of 100 lines, the maximum, or for a hundred orders of usual size.
LINES_PER_PAGE = 200
OVERDUE_AFTER = timedelta(seconds=30)


@dataclass(frozen=True)
class CurrencyTotal:
    """The orders of a user in one currency. ``total`` leaves out cancelled and refunded orders."""

    currency: str
    orders: int
    total: Decimal


@dataclass(frozen=True)
class Summary:
    """A summary of a user's orders; ``totals`` starts with the currency of the most orders."""

    total: int
    recent: list[Order]
    totals: list[CurrencyTotal]

    @property
    def total_value(self) -> Decimal:
        """The first of the totals: amounts in two currencies have no sum."""
        return self.totals[0].total if self.totals else Decimal(0)

    @property
    def total_value_currency(self) -> str | None:
        """The currency of ``total_value``; None without orders."""
        return self.totals[0].currency if self.totals else None


def orders_of(user_id: UUID | None) -> QuerySet[Order]:
    """The orders of one user, or of all users for None; newest first, without their lines."""
    orders = Order.objects.prefetch_related("compensations")
    return orders if user_id is None else orders.filter(user_id=user_id)


def concerned(keys: Collection[str]) -> tuple[int, dict[str, Decimal]]:
    """The number of orders whose ids are among the keys of messages, and their totals by currency."""
    ids = [one for key in keys if (one := _uuid(key))]
    by_currency = Order.objects.filter(pk__in=ids).order_by().values_list("currency")
    found = list(by_currency.annotate(Count("pk"), Sum("total")))
    return sum(count for _, count, _ in found), {currency: total for currency, _, total in found}


def show_lines(orders: Sequence[Order]) -> None:
    """Set ``item_count`` of every order, and ``shown_lines`` of the first orders with LINES_PER_PAGE lines.

    An order with more lines than the rest of the page may have keeps None; the client reads it
    by its id. Later, smaller orders of the page still get their lines.
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
    """One order with lines and history. Raises NotFound, also for an order of another user."""
    order = read_order(order_id)
    if order is None or owner not in (None, order.user_id):
        raise NotFound("You have no order with this id.", code="order_not_found", title="Order not found")
    return order


def summary_of(user_id: UUID) -> Summary:
    """Totals per currency: most orders first; for equal numbers the currency of the newest order first."""
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


def with_status(orders: QuerySet[Order], status: Status) -> QuerySet[Order]:
    """The orders of the status.

    The second condition follows from the first one by a constraint, and has an index.
    """
    if status in OPEN:
        return orders.filter(status=status, finished_at=None)
    if status in MONEY_BACK:
        return orders.filter(status=status, reason__gt="")
    return orders.filter(status=status)


def open_orders() -> QuerySet[Order]:
    return Order.objects.filter(finished_at=None)


def count_open_orders() -> int:
    return open_orders().count()


def overdue_orders() -> QuerySet[Order]:
    """Orders that are open OVERDUE_AFTER their deadline, which a worker should have handled by then."""
    return open_orders().filter(deadline_at__lt=timezone.now() - OVERDUE_AFTER)


def count_overdue_orders() -> int:
    return overdue_orders().count()


def orders_with_goods_out() -> QuerySet[Order]:
    """Refunded orders without a return: their stock counts as sold."""
    refunded = with_status(Order.objects.all(), Status.REFUNDED)
    return refunded.exclude(compensations__kind=Compensation.RETURN)


def orders_in_compensation() -> QuerySet[Order]:
    """Orders with a compensation that no service has confirmed yet."""
    return Order.objects.filter(compensations__state=CompensationState.ASKED).distinct()


def orders_with_failed_compensation() -> QuerySet[Order]:
    """Orders with a failed compensation: a person must look."""
    return Order.objects.filter(compensations__state=CompensationState.FAILED).distinct()


def count_orders_with_failed_compensation() -> int:
    return orders_with_failed_compensation().count()


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

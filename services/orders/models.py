"""Orders with their lines, compensations and history."""

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from uuid import UUID

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from atoll import money
from atoll.ids import uuid7
from services.orders.compensation import Compensation, CompensationState
from services.orders.state_machine import FINAL, MONEY_BACK, Event, Status

MAX_LINES = 100
MAX_QUANTITY = 1000
MAX_REASON_LENGTH = 200
MAX_NAME_LENGTH = 255
MAX_EMAIL_LENGTH = 254

REFUNDS = {
    CompensationState.ASKED: "pending",
    CompensationState.DONE: "done",
    CompensationState.SETTLED: "done",
    CompensationState.FAILED: "failed",
}


class Order(models.Model):
    """One order, with the prices at the time of its placing.

    The selectors for the API set ``shown_lines``, ``shown_history`` and ``item_count``. Triggers in
    the database (``0002_course_in_the_database``) refuse a change of ``status`` that is not in
    ``state_machine.py`` and a ``total`` that is not the sum of the lines.
    """

    shown_lines: "list[OrderLine] | None" = None
    shown_history: "list[OrderTransition] | None" = None
    shown_compensations: "list[OrderCompensation] | None" = None
    item_count: int | None = None

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.UUIDField("customer id")
    customer_name = models.CharField(max_length=MAX_NAME_LENGTH)
    customer_email = models.EmailField(max_length=MAX_EMAIL_LENGTH)
    # An older update of the account does not change a newer value.
    customer_name_as_of = models.DateTimeField(editable=False)
    customer_email_as_of = models.DateTimeField(editable=False)
    status = models.CharField(max_length=20, choices=Status, default=Status.PENDING)
    total = models.DecimalField(max_digits=money.DIGITS, decimal_places=money.DECIMALS)
    currency = models.CharField(max_length=3)
    payment_method = models.CharField(max_length=40)
    reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    deadline_at = models.DateTimeField("deadline", help_text="Cancelled when still open at this time.")
    finished_at = models.DateTimeField("finished", null=True, blank=True)

    class Meta:
        ordering = ("-created_at", "-id")
        # No index names the status, not even in its condition: a step that leaves all indexed columns as
        # they were writes no index (a HOT update). ``selectors.with_status`` finds orders by status.
        indexes = (
            models.Index(fields=("user_id", "-created_at"), name="order_of_user"),
            models.Index(fields=("-created_at", "-id"), name="order_newest_first"),
            models.Index(fields=("user_id",), name="order_unfinished", condition=Q(finished_at=None)),
            models.Index(fields=("-created_at",), name="order_money_back", condition=Q(reason__gt="")),
        )
        constraints = (
            models.CheckConstraint(condition=Q(status__in=Status.values), name="order_status_is_known"),
            models.CheckConstraint(condition=Q(total__gte=0), name="order_total_not_negative"),
            models.CheckConstraint(condition=Q(currency__regex=r"^[A-Z]{3}$"), name="order_currency_is_iso"),
            models.CheckConstraint(
                condition=Q(status__in=sorted(MONEY_BACK), reason__gt="")
                | ~Q(status__in=sorted(MONEY_BACK)) & Q(reason=""),
                name="order_reason_when_money_back",
            ),
            models.CheckConstraint(
                condition=Q(status__in=sorted(FINAL), finished_at__isnull=False)
                | ~Q(status__in=sorted(FINAL)) & Q(finished_at__isnull=True),
                name="order_finished_when_final",
            ),
        )

    def __str__(self) -> str:
        return f"Order {self.id}"

    @property
    def amount(self) -> str:
        """The total with its currency, for people."""
        return money.text(self.total, self.currency)

    @cached_property
    def pieces(self) -> Sequence[tuple[UUID | str, int]]:
        """The product and the quantity of each line. The lock of an order sets them without a query."""
        return list(self.lines.values_list("product_id", "quantity"))

    @property
    def refund(self) -> str | None:
        """``pending``, ``done`` or ``failed``; None when the customer gets no money back."""
        if self.status == Status.REFUNDED:
            return REFUNDS[CompensationState.DONE]
        if self.status not in MONEY_BACK:
            return None
        known = self.shown_compensations
        for row in self.compensations.all() if known is None else known:
            if row.kind == Compensation.REFUND and row.ended_by != Event.PAYMENT_VOIDED:
                return REFUNDS[CompensationState(row.state)]
        return None


class OrderLine(models.Model):
    """A product with its name and price at the time of the order."""

    # The unique constraint below starts with the order, so it serves as the index too.
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines", db_index=False)
    product_id = models.UUIDField()
    name = models.CharField(max_length=MAX_NAME_LENGTH)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=money.DIGITS, decimal_places=money.DECIMALS)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("order", "product_id"), name="order_line_once_per_product"),
            models.CheckConstraint(
                condition=Q(quantity__gte=1, quantity__lte=MAX_QUANTITY), name="order_line_quantity_in_bounds"
            ),
            models.CheckConstraint(condition=Q(unit_price__gte=0), name="order_line_price_not_negative"),
        )

    def __str__(self) -> str:
        return f"{self.quantity} × {self.name}"

    @property
    def price(self) -> str:
        """The price of one piece with its currency, for people."""
        return money.text(self.unit_price, self.order.currency)

    @property
    def amount(self) -> str:
        """The price of all pieces with its currency, for people."""
        return money.text(self.quantity * self.unit_price, self.order.currency)


class OrderCompensation(models.Model):
    """A compensation of a cancelled or refunded order; see ``compensation.py``.

    ``asks`` counts the commands that were sent; a deadline carries this number, so an outdated
    deadline has no effect. ``ended_by`` is the event that ended the waiting, with its
    ``reason``; both are empty in the state ``asked``. A trigger in the database refuses a
    change of ``state`` that is not in ``compensation.py``.
    """

    # The unique constraint below starts with the order, so it serves as the index too.
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="compensations", db_index=False)
    kind = models.CharField("compensation", max_length=20, choices=Compensation)
    state = models.CharField(max_length=10, choices=CompensationState, default=CompensationState.ASKED)
    asks = models.PositiveIntegerField("times asked", default=1)
    asked_at = models.DateTimeField("last asked", default=timezone.now)
    due_at = models.DateTimeField("due", help_text="Needs attention when not confirmed at this time.")
    ended_at = models.DateTimeField("ended", null=True, blank=True)
    ended_by = models.CharField(max_length=40, choices=Event, blank=True)
    reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)

    class Meta:
        ordering = ("id",)
        indexes = (
            models.Index(
                fields=("order",), name="compensation_failed", condition=Q(state=CompensationState.FAILED)
            ),
            models.Index(
                fields=("due_at",), name="compensation_asked", condition=Q(state=CompensationState.ASKED)
            ),
        )
        constraints = (
            models.UniqueConstraint(fields=("order", "kind"), name="compensation_once_per_order"),
            models.CheckConstraint(
                condition=Q(kind__in=Compensation.values), name="compensation_kind_is_known"
            ),
            models.CheckConstraint(
                condition=Q(state__in=CompensationState.values), name="compensation_state_is_known"
            ),
            models.CheckConstraint(condition=Q(asks__gte=1), name="compensation_was_asked_for"),
            models.CheckConstraint(
                condition=Q(state=CompensationState.ASKED, ended_at__isnull=True, ended_by="")
                | ~Q(state=CompensationState.ASKED) & Q(ended_at__isnull=False, ended_by__gt=""),
                name="compensation_ended_when_not_asked",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"

    def ask_anew(self, *, at: datetime, due_at: datetime) -> None:
        self.state, self.asks = CompensationState.ASKED, self.asks + 1
        self.asked_at, self.due_at = at, due_at
        self.ended_at, self.ended_by, self.reason = None, "", ""

    def end(self, state: CompensationState, *, by: Event, reason: str, at: datetime) -> None:
        """Leave the state ``asked`` by a confirmation, a failure or a decision of staff."""
        self.state, self.ended_at, self.ended_by = state, at, by
        self.reason = reason[:MAX_REASON_LENGTH]


class OrderTransition(models.Model):
    """One event in the history of an order.

    ``undoing`` has the states that compensations reached by the event, such as
    ``refund.payment asked``. An answer that is late, repeated or out of order has the same
    status on both sides and an empty ``undoing``. ``actor`` and ``message_id``: see ``Origin``.
    """

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="history")
    from_status = models.CharField("from", max_length=20, choices=Status, blank=True)
    to_status = models.CharField("to", max_length=20, choices=Status)
    event = models.CharField(max_length=40, choices=Event)
    message_id = models.CharField(max_length=255, blank=True)
    actor = models.CharField(max_length=255)
    correlation_id = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)
    undoing = models.CharField(max_length=100, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(event=Event.PLACED, from_status="", to_status=Status.PENDING)
                | ~Q(event=Event.PLACED)
                & (
                    Q(from_status=F("to_status"))
                    | Q(from_status=Status.PENDING, to_status=Status.AWAITING_PAYMENT)
                    | Q(from_status=Status.PENDING, to_status=Status.CANCELLED)
                    | Q(from_status=Status.AWAITING_PAYMENT, to_status=Status.CONFIRMED)
                    | Q(from_status=Status.AWAITING_PAYMENT, to_status=Status.CANCELLED)
                    | Q(from_status=Status.CONFIRMED, to_status=Status.REFUNDED)
                ),
                name="order_transition_is_legal",
            ),
            models.CheckConstraint(
                condition=Q(undoing="") | Q(to_status__in=sorted(MONEY_BACK)),
                name="order_transition_undoes_when_money_back",
            ),
        )

    def __str__(self) -> str:
        return f"{self.event}: {self.from_status or 'new'} → {self.to_status}"

    @property
    def moved(self) -> bool:
        return self.from_status != self.to_status

    @property
    def ignored(self) -> bool:
        return not self.moved and not self.undoing

"""Orders, what is in them, and everything that happened to them."""

from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from atoll import money
from atoll.ids import uuid7
from services.orders.compensation import Compensation, Undoing
from services.orders.course import FINAL, MONEY_BACK, OPEN, Event, Status

MAX_LINES = 100
MAX_QUANTITY = 1000
MAX_REASON_LENGTH = 200
MAX_NAME_LENGTH = 255
MAX_EMAIL_LENGTH = 254

REFUND_TOLD_AS = {
    Undoing.ASKED: "pending",
    Undoing.DONE: "done",
    Undoing.SETTLED: "done",
    Undoing.FAILED: "failed",
}


class Order(models.Model):
    """One order, with its customer and prices as they were when it was placed.

    ``shown_lines`` and ``item_count`` are filled in by the selectors that read orders for the API.

    ``status`` moves only along ``course.py`` and ``total`` is the sum of the lines:
    triggers in the database refuse anything else (``0002_course_in_the_database``).
    """

    shown_lines: "list[OrderLine] | None" = None
    item_count: int | None = None

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user_id = models.UUIDField("customer id")
    customer_name = models.CharField(max_length=MAX_NAME_LENGTH)
    customer_email = models.EmailField(max_length=MAX_EMAIL_LENGTH)
    # An update of the account that is older than what we show is passed over.
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
        indexes = (
            models.Index(fields=("user_id", "-created_at"), name="order_of_user"),
            models.Index(fields=("status", "-created_at"), name="order_by_status"),
            models.Index(fields=("-created_at", "-id"), name="order_newest_first"),
            models.Index(
                fields=("user_id",), name="order_open_of_user", condition=Q(status__in=sorted(OPEN))
            ),
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
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def amount(self) -> str:
        """What the order costs, for a person."""
        return money.text(self.total, self.currency)

    @property
    def refund(self) -> str | None:
        """The customer's refund: pending, done or failed; None when there is no money to give back."""
        if self.status == Status.REFUNDED:
            return REFUND_TOLD_AS[Undoing.DONE]
        for undone in self.compensations.all():
            if undone.kind == Compensation.REFUND and undone.ended_by != Event.PAYMENT_VOIDED:
                return REFUND_TOLD_AS[Undoing(undone.state)]
        return None


class OrderLine(models.Model):
    """A product as it was bought; later changes of the catalogue do not reach it."""

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
        """Of one piece, for a person."""
        return money.text(self.unit_price, self.order.currency)

    @property
    def amount(self) -> str:
        """Of all pieces, for a person."""
        return money.text(self.quantity * self.unit_price, self.order.currency)


class OrderCompensation(models.Model):
    """Something of a cancelled or refunded order that is to be undone; see ``compensation.py``.

    ``asks`` counts how often its command went out, and is the token by which a
    deadline of an earlier time is told from that of the latest. ``ended_by`` is the
    event that ended the waiting, empty while it lasts; ``reason`` belongs to it.
    Its states move only along ``compensation.py``: a trigger refuses anything else.
    """

    # The unique constraint below starts with the order, so it serves as the index too.
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="compensations", db_index=False)
    kind = models.CharField("compensation", max_length=20, choices=Compensation)
    state = models.CharField(max_length=10, choices=Undoing, default=Undoing.ASKED)
    asks = models.PositiveIntegerField("times asked", default=1)
    asked_at = models.DateTimeField("last asked", default=timezone.now)
    due_at = models.DateTimeField("due", help_text="Needs attention when not confirmed at this time.")
    ended_at = models.DateTimeField("ended", null=True, blank=True)
    ended_by = models.CharField(max_length=40, choices=Event, blank=True)
    reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)

    class Meta:
        ordering = ("id",)
        indexes = (
            models.Index(fields=("order",), name="compensation_failed", condition=Q(state=Undoing.FAILED)),
            models.Index(fields=("due_at",), name="compensation_asked", condition=Q(state=Undoing.ASKED)),
        )
        constraints = (
            models.UniqueConstraint(fields=("order", "kind"), name="compensation_once_per_order"),
            models.CheckConstraint(
                condition=Q(kind__in=Compensation.values), name="compensation_kind_is_known"
            ),
            models.CheckConstraint(condition=Q(state__in=Undoing.values), name="compensation_state_is_known"),
            models.CheckConstraint(condition=Q(asks__gte=1), name="compensation_was_asked_for"),
            models.CheckConstraint(
                condition=Q(state=Undoing.ASKED, ended_at__isnull=True, ended_by="")
                | ~Q(state=Undoing.ASKED) & Q(ended_at__isnull=False, ended_by__gt=""),
                name="compensation_ended_when_not_asked",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.state}"

    def ask_anew(self, *, at: datetime, due_at: datetime) -> None:
        self.state, self.asks = Undoing.ASKED, self.asks + 1
        self.asked_at, self.due_at = at, due_at
        self.ended_at, self.ended_by, self.reason = None, "", ""

    def end(self, state: Undoing, *, by: Event, reason: str, at: datetime) -> None:
        """The waiting is over, by a confirmation, a failure or a person."""
        self.state, self.ended_at, self.ended_by = state, at, by
        self.reason = reason[:MAX_REASON_LENGTH]


class OrderTransition(models.Model):
    """Something that happened to an order, and what it changed.

    An answer that was late, repeated or out of order has the same status on both
    sides and no ``undoing``, which otherwise tells how far compensations came by it:
    ``refund.payment asked``. ``message_id`` names the message that caused it;
    ``actor`` the person or service behind it.
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

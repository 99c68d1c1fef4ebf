"""Payments of orders, and the books of the sandbox provider.

They stand for two companies. The service reads and writes ``Payment``, the provider reads and
writes ``SandboxCharge`` and ``SandboxRefund``.
"""

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils import timezone

from atoll import money
from atoll.errors import Misuse
from atoll.ids import uuid7
from services.payments.managers import PaymentManager

REASON_MAX_CHARS = 200


class Payment(models.Model):
    """The one payment of an order. Commands about one order lock its row, so they run one after the other.

    A refund that arrives before the charge makes a refused payment without user and amount, which
    refuses the charge.
    """

    class Status(models.TextChoices):
        REQUESTED = "requested", "requested"
        COMPLETED = "completed", "completed"
        FAILED = "failed", "failed"
        REFUNDED = "refunded", "refunded"
        REFUSED = "refused", "refused"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    order_id = models.UUIDField(unique=True)
    user_id = models.UUIDField(null=True, blank=True)
    amount = models.DecimalField(
        max_digits=money.DIGITS, decimal_places=money.DECIMALS, null=True, blank=True
    )
    currency = models.CharField(max_length=3, blank=True, default="")
    method = models.CharField(max_length=64, blank=True, default="")
    status = models.CharField(max_length=9, choices=Status, default=Status.REQUESTED)
    # The reason of a failed, refused or refunded payment; else empty.
    reason = models.CharField(max_length=REASON_MAX_CHARS, blank=True, default="")
    charge_reference = models.CharField(max_length=255, blank=True, default="")
    refund_reference = models.CharField(max_length=255, blank=True, default="")
    refund_asked_at = models.DateTimeField(null=True, blank=True)
    # Staff reported with the refund that the goods came back.
    return_goods = models.BooleanField("goods are back", default=False, db_default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    objects = PaymentManager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                name="payment_status_known",
                condition=Q(status__in=["requested", "completed", "failed", "refunded", "refused"]),
            ),
            models.CheckConstraint(
                name="payment_amount_positive",
                condition=Q(amount__isnull=True) | Q(amount__gt=0, amount__lte=money.MAX_AMOUNT),
            ),
            models.CheckConstraint(
                name="only_a_refused_payment_may_lack_its_terms",
                condition=Q(status="refused")
                | Q(user_id__isnull=False, amount__isnull=False, currency__regex=r"^[A-Z]{3}\Z")
                & ~Q(method=""),
            ),
            models.CheckConstraint(
                name="money_that_moved_has_a_reference",
                condition=~Q(status="completed", charge_reference="")
                & ~Q(status="refunded", refund_reference=""),
            ),
        ]
        indexes = [
            models.Index(name="payment_by_user", fields=["user_id", "-created_at"]),
            models.Index(name="payment_by_status", fields=["status", "-created_at"]),
        ]

    def __str__(self) -> str:
        return f"payment of order {self.order_id}: {self.status}"

    @property
    def exact_amount(self) -> Decimal:
        """The amount with the decimal places of its currency. Raises Misuse without an amount."""
        if self.amount is None:
            raise Misuse("A payment that holds or may hold money has an amount.")
        return money.exact(self.amount, self.currency)

    @property
    def may_be_charged(self) -> bool:
        """Whether the provider may still be asked for the charge."""
        return self.status == self.Status.REQUESTED and self.refund_asked_at is None

    @property
    def may_hold_money(self) -> bool:
        """Whether the provider has, or may have, money of the order."""
        return self.status in {self.Status.REQUESTED, self.Status.COMPLETED}

    @property
    def is_refundable(self) -> bool:
        """Whether staff may refund it."""
        return self.status == self.Status.COMPLETED and self.refund_asked_at is None

    @property
    def key(self) -> str:
        """The idempotency key of the charge at the provider; the same for all attempts."""
        return f"order:{self.order_id}:charge"


class SandboxCharge(models.Model):
    """One charge at the sandbox provider, by the idempotency key of the shop.

    ``memo`` is the order's id. It is not unique, so a second charge of an order would show here.
    """

    class State(models.TextChoices):
        FAILED = "failed", "failed, may be tried again"
        CAPTURED = "captured", "captured"
        DECLINED = "declined", "declined"
        CANCELLED = "cancelled", "cancelled"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = models.CharField(max_length=100, unique=True)
    memo = models.CharField(max_length=100, db_index=True)
    amount = models.DecimalField(max_digits=money.DIGITS, decimal_places=money.DECIMALS)
    currency = models.CharField(max_length=3)
    method = models.CharField(max_length=64)
    state = models.CharField(max_length=9, choices=State)
    reason = models.CharField(max_length=200, blank=True, default="")
    # The number of requests with this key.
    requests = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{money.text(self.amount, self.currency)} {self.state}, {self.memo}"


class SandboxRefund(models.Model):
    """The refund of a captured charge; it always has the whole amount."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    charge = models.OneToOneField(SandboxCharge, models.PROTECT, related_name="refund")
    amount = models.DecimalField(max_digits=money.DIGITS, decimal_places=money.DECIMALS)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{money.text(self.amount, self.charge.currency)} back, {self.charge.memo}"

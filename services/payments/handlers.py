"""Handlers of payments. They ask the provider before their transaction begins."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from atoll import money
from atoll.bus import Dead, Message, Retry, handles, on
from atoll.errors import Unavailable
from atoll.forgetting import forget_person
from services.payments.errors import BooksDisagree, InvalidPayment, TermsDiffer
from services.payments.provider import Cancellation, Charge, provider
from services.payments.usecases.report_failed_refund import report_failed_refund
from services.payments.usecases.request_payment import request_payment
from services.payments.usecases.request_refund import request_refund
from services.payments.usecases.settle_payment import settle_payment
from services.payments.usecases.settle_refund import settle_refund

# A customer waits for the charge; a refund may wait for hours until the provider answers.
CHARGE_RETRY = Retry(immediate=2, delayed_s=(2, 10, 60, 300))
REFUND_RETRY = Retry(immediate=2, delayed_s=(5, 30, 300, 1800, 7200, 21600))


@dataclass(frozen=True)
class PaymentOfOrder:
    order_id: UUID
    user_id: UUID
    amount: Decimal
    currency: str
    payment_method: str


@dataclass(frozen=True)
class RefundOfOrder:
    order_id: UUID
    reason: str = "cancelled"


def charge_at_provider(command: PaymentOfOrder, message: Message) -> Charge | None:
    """The provider's answer; None for an order that was charged before or must not be charged."""
    try:
        payment = request_payment(
            command.order_id,
            user_id=command.user_id,
            amount=command.amount,
            currency=command.currency,
            method=command.payment_method,
        )
    except (InvalidPayment, TermsDiffer) as error:
        raise Dead(str(error)) from error
    if not payment.may_be_charged:
        return None
    return provider().charge(
        payment.key,
        minor_units=money.minor_units(command.amount, command.currency),
        currency=command.currency,
        method=command.payment_method,
        memo=str(command.order_id),
    )


@handles("process.payment", before=charge_at_provider, retry=CHARGE_RETRY)
def on_process_payment(command: PaymentOfOrder, message: Message, charge: Charge | None) -> None:
    settle_payment(command.order_id, charge)


def cancel_at_provider(command: RefundOfOrder, message: Message) -> Cancellation | None:
    """The provider's answer; None for an order without money at the provider.

    In the last attempt, and for ledgers that disagree, it announces payment.refund_failed. A worker
    that dies in its last attempt announces nothing; orders has a deadline for this case.
    """
    payment = request_refund(command.order_id)
    if not payment.may_hold_money:
        return None
    try:
        cancellation = provider().cancel(payment.key)
    except Unavailable:
        if message.attempt >= REFUND_RETRY.attempts:
            report_failed_refund(payment, reason="provider_unavailable")
        raise
    if payment.status == payment.Status.COMPLETED and not cancellation.refund_reference:
        report_failed_refund(payment, reason="ledgers_disagree")
    return cancellation


@handles("refund.payment", before=cancel_at_provider, retry=REFUND_RETRY)
def on_refund_payment(command: RefundOfOrder, message: Message, cancellation: Cancellation | None) -> None:
    try:
        settle_refund(command.order_id, cancellation, reason=command.reason)
    except BooksDisagree as error:
        raise Dead(str(error)) from error


@dataclass(frozen=True)
class UserDeleted:
    user_id: UUID


@on("user.deleted")
def on_user_deleted(event: UserDeleted, message: Message) -> None:
    """Payments keep the user's id, which is no personal data by itself; the bus erases its copies."""
    forget_person(event.user_id)

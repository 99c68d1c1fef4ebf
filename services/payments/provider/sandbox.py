"""A provider without real money, but with real tables and with failures on demand.

The payment method selects its behaviour, like test card numbers of real providers:

    card            captured
    card-declined   declined
    card-timeout    captured, but the first answer is lost
    card-flaky      the first request fails without a charge, the next one is captured

Any other method is declined. Each request is a transaction of its own, like the database of
another company: a failure of the caller does not roll it back.
"""

import time
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from atoll import money
from services.payments.models import SandboxCharge, SandboxRefund
from services.payments.provider import (
    CANCELLED,
    Cancellation,
    Charge,
    KeyReused,
    Outcome,
    ProviderTimeout,
    ProviderUnavailable,
)

NAME = "sandbox"
State = SandboxCharge.State
DECLINED_BY_BANK = "card_declined"
UNSUPPORTED_METHOD = "unsupported_payment_method"

INSERT = """
INSERT INTO payments_sandboxcharge
    (id, key, memo, amount, currency, method, state, reason, requests, created_at)
VALUES
    (%(id)s, %(key)s, %(memo)s, %(amount)s, %(currency)s, %(method)s, %(state)s, %(reason)s, %(requests)s,
     %(created_at)s)
ON CONFLICT (key) DO NOTHING
"""


class SandboxProvider:
    """See the module. Each answer takes ``settings.SANDBOX_LATENCY_S`` seconds."""

    def charge(self, key: str, *, minor_units: int, currency: str, method: str, memo: str) -> Charge:
        time.sleep(settings.SANDBOX_LATENCY_S)
        amount = money.from_minor_units(minor_units, currency)
        terms = {"amount": amount, "currency": currency, "method": method, "memo": memo}
        charge = SandboxCharge(key=key, state=State.FAILED, requests=1, **terms)
        self._decide(charge)
        with transaction.atomic(durable=True):
            is_new = _insert(charge)
            if not is_new:
                charge = self._repeated(key, terms)
        if charge.state == State.FAILED:
            raise ProviderUnavailable(NAME, "the provider failed; no money was taken")
        if charge.method == "card-timeout" and charge.requests == 1:
            raise ProviderTimeout(NAME, "no answer in time; the money may have been taken")
        return _answer(charge, is_new=is_new)

    def _repeated(self, key: str, terms: dict[str, Any]) -> SandboxCharge:
        charge = SandboxCharge.objects.select_for_update().get(key=key)
        blank = charge.state == State.CANCELLED and not charge.method
        if not blank and any(getattr(charge, name) != value for name, value in terms.items()):
            raise KeyReused(f"The charge {key} was made with other terms before.")
        charge.requests += 1
        if charge.state == State.FAILED:
            self._decide(charge)
        charge.save()
        return charge

    def cancel(self, key: str) -> Cancellation:
        time.sleep(settings.SANDBOX_LATENCY_S)
        with transaction.atomic(durable=True):
            charge, _ = SandboxCharge.objects.select_for_update().get_or_create(
                key=key,
                defaults={"amount": Decimal(0), "state": State.CANCELLED, "reason": CANCELLED},
            )
            if charge.state == State.FAILED:
                charge.state, charge.reason = State.CANCELLED, CANCELLED
                charge.save()
            if charge.state != State.CAPTURED:
                return Cancellation()
            refund, _ = SandboxRefund.objects.get_or_create(charge=charge, defaults={"amount": charge.amount})
        return Cancellation(refund_reference=f"re_{refund.id.hex}")

    def _decide(self, charge: SandboxCharge) -> None:
        match charge.method:
            case "card" | "card-timeout":
                charge.state = State.CAPTURED
            case "card-flaky":
                charge.state = State.CAPTURED if charge.requests > 1 else State.FAILED
            case "card-declined":
                charge.state, charge.reason = State.DECLINED, DECLINED_BY_BANK
            case _:
                charge.state, charge.reason = State.DECLINED, UNSUPPORTED_METHOD


def _insert(charge: SandboxCharge) -> bool:
    """False: a charge has this key already."""
    with connection.cursor() as cursor:
        cursor.execute(INSERT, vars(charge))
        return bool(cursor.rowcount)


def _answer(charge: SandboxCharge, *, is_new: bool) -> Charge:
    match charge.state:
        case State.CAPTURED if is_new or not SandboxRefund.objects.filter(charge=charge).exists():
            return Charge(outcome=Outcome.CAPTURED, reference=f"ch_{charge.id.hex}")
        case State.DECLINED:
            return Charge(outcome=Outcome.DECLINED, reason=charge.reason)
        case _:
            return Charge(outcome=Outcome.CANCELLED, reason=CANCELLED)

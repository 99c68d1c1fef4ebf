from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.conf import LazySettings

from services.payments.models import Payment

MakePayment = Callable[..., Payment]


@pytest.fixture(autouse=True)
def quick_provider(settings: LazySettings) -> None:
    settings.SANDBOX_LATENCY_S = 0.0


@pytest.fixture
def make_payment(db: None) -> MakePayment:
    """``make_payment(status="failed")``: a payment in the table, without events or ledger."""

    def make(**values: Any) -> Payment:
        defaults = {
            "order_id": uuid4(),
            "user_id": uuid4(),
            "amount": Decimal("59.80"),
            "currency": "EUR",
            "method": "card",
            "status": "completed",
            "charge_reference": "ch_1",
        }
        return Payment.objects.create(**defaults | values)

    return make

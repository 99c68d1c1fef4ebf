"""Commands of orders to payments, and the money that the provider has at the end."""

from decimal import Decimal
from uuid import uuid4

from services.payments.models import SandboxCharge, SandboxRefund
from services.payments.provider import ProviderUnavailable


def order(method: str = "card", **more) -> dict:
    return {
        "orderId": str(uuid4()),
        "userId": str(uuid4()),
        "amount": Decimal("59.80"),
        "currency": "EUR",
        "paymentMethod": method,
    } | more


def refund(of: dict) -> dict:
    return {"orderId": of["orderId"], "reason": "changed_mind"}


def taken() -> Decimal:
    """The money that the provider has, by its books."""
    charged = sum(SandboxCharge.objects.filter(state="captured").values_list("amount", flat=True))
    return Decimal(charged) - sum(SandboxRefund.objects.values_list("amount", flat=True))


def provider_away(*args, **kwargs):
    raise ProviderUnavailable("sandbox", "gone")

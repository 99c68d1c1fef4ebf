"""Which amounts can be charged."""

from decimal import Decimal

MIN_AMOUNT = Decimal("0.01")
MAX_AMOUNT = Decimal("9999999999.99")


def is_chargeable(amount: Decimal) -> bool:
    """Finite, within bounds, and with no more than two places."""
    return amount.is_finite() and MIN_AMOUNT <= amount <= MAX_AMOUNT and amount == round(amount, 2)

"""What a charge costs: round trips to the database, without those of the bus."""

from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from atoll.testing.statements import own_statements
from services.payments.handlers import PaymentOfOrder, charge_at_provider, on_process_payment

pytestmark = pytest.mark.django_db(transaction=True)


def cost(order_id: UUID) -> int:
    command = PaymentOfOrder(order_id, order_id, Decimal("5.00"), "EUR", "card")
    with own_statements() as statements:
        charge = charge_at_provider(command, None)
        with transaction.atomic():
            on_process_payment(command, None, charge)
    return len(statements)


def test_a_charge_costs_three_statements():
    """The request, the books of the sandbox provider, and the outcome."""
    assert cost(uuid4()) == 3


def test_a_repeated_charge_of_a_settled_payment_costs_no_change():
    """The refused insert, and two looks at the payment."""
    order_id = uuid4()
    cost(order_id)
    assert cost(order_id) == 3

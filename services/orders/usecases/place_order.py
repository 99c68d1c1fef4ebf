"""Place a quoted order: from here on it runs by itself to a final state."""

from django.utils import timezone

from atoll.bus.operations import personal_data
from services.orders.course import PLACED, Event
from services.orders.models import Order, OrderLine
from services.orders.usecases.advance import Cause, record
from services.orders.usecases.limit_open_orders import limit_open_orders
from services.orders.usecases.outgoing import Outgoing, time_allowed
from services.orders.usecases.quote_order import Quote, no_account


def place_order(quote: Quote, payment_method: str, cause: Cause) -> Order:
    """Store the order and its lines, announce it, ask for the stock and start its deadline.

    Runs in the caller's transaction. The deadline is ``ORDER_DEADLINE_S`` from now. Raises
    Conflict (``too_many_open_orders``) when the customer has too many that are not finished.
    Raises NotAllowed when the account was deleted since the order was quoted.
    """
    limit_open_orders(quote.customer.id)
    now = timezone.now()
    customer = quote.customer
    if personal_data.is_forgotten(customer.id):
        # Deleted since it was asked for: nothing of it may be stored any more.
        raise no_account()
    order = Order.objects.create(
        status=PLACED.state.status,
        user_id=customer.id,
        customer_name=customer.name,
        customer_email=customer.email,
        customer_name_as_of=customer.updated_at,
        customer_email_as_of=customer.updated_at,
        total=quote.total,
        currency=quote.currency,
        payment_method=payment_method,
        created_at=now,
        deadline_at=now + time_allowed(),
    )
    lines = OrderLine.objects.bulk_create(
        OrderLine(
            order=order,
            product_id=line.product.id,
            name=line.product.name,
            quantity=line.quantity,
            unit_price=line.product.price,
        )
        for line in quote.lines
    )
    record(order, Event.PLACED, cause, before=None, after=PLACED.state.status)
    outgoing = Outgoing(order, lines=lines)
    for action in PLACED.actions:
        outgoing.carry_out(action)
    return order

"""Place a quoted order: from here on it runs by itself to a final state."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from atoll import bus
from services.orders.course import Event, Status
from services.orders.events import ExpireOrder
from services.orders.models import Order, OrderLine
from services.orders.usecases.advance import Cause, record
from services.orders.usecases.outgoing import announce_created, deadline_token
from services.orders.usecases.quote_order import Quote


def place_order(quote: Quote, payment_method: str, cause: Cause) -> Order:
    """Store the order and its lines, announce it, ask for the stock and start its deadline.

    Runs in the caller's transaction. The deadline is ``ORDER_DEADLINE_S`` from now.
    """
    time_allowed = timedelta(seconds=settings.ORDER_DEADLINE_S)
    now = timezone.now()
    customer = quote.customer
    order = Order.objects.create(
        user_id=customer.id,
        customer_name=customer.name,
        customer_email=customer.email,
        customer_name_as_of=customer.updated_at,
        customer_email_as_of=customer.updated_at,
        total=quote.total,
        currency=quote.currency,
        payment_method=payment_method,
        created_at=now,
        deadline_at=now + time_allowed,
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
    record(order, Event.PLACED, cause, before=None, after=Status.PENDING)
    announce_created(order, lines)
    bus.schedule(ExpireOrder(order.pk), after=time_allowed, token=deadline_token(order))
    return order

"""Place a quoted order; messages and its deadline then bring it to a final status."""

from django.utils import timezone

from atoll.bus.operations import personal_data
from services.orders.deadlines import time_allowed
from services.orders.models import Order, OrderLine
from services.orders.state_machine import PLACED, Event
from services.orders.statements import insert_order
from services.orders.usecases.advance import Origin, entry_of
from services.orders.usecases.effects import Effects
from services.orders.usecases.limit_open_orders import limit_open_orders
from services.orders.usecases.quote_order import Quote, QuotedLine, no_account


def place_order(quote: Quote, payment_method: str, origin: Origin) -> Order:
    """Store the order and its lines, announce it, reserve its stock and start its deadline.

    The order has its lines and history in memory, for the answer. It is only for reading.
    Call it in a transaction. The deadline is ``ORDER_DEADLINE_S`` from now. Raises Conflict
    (``too_many_open_orders``) at the customer's limit of open orders, and NotAllowed when the
    account was deleted after the quote.
    """
    limit_open_orders(quote.customer.id)
    now = timezone.now()
    customer = quote.customer
    if personal_data.is_forgotten(customer.id):
        # Deleted after the quote: no personal data of the account may be stored again.
        raise no_account()
    order = Order(
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
        updated_at=now,
        deadline_at=now + time_allowed(),
    )
    lines = [_line(order, line) for line in quote.lines]
    entry = entry_of(order, Event.PLACED, origin, before=None)
    insert_order(order, lines, entry)
    order.shown_lines, order.item_count, order.shown_history = lines, len(lines), [entry]
    order.pieces = [(line.product_id, line.quantity) for line in lines]
    effects = Effects(order)
    for effect in PLACED.effects:
        effects.apply(effect)
    return order


def _line(order: Order, line: QuotedLine) -> OrderLine:
    return OrderLine(
        order=order,
        product_id=line.product.id,
        name=line.product.name,
        quantity=line.quantity,
        unit_price=line.product.price,
    )

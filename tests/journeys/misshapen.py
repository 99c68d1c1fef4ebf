"""A message that no handler can read, as a foreign producer might send it."""

import json
from typing import Any

from atoll.testing.running import Platform

STORE = """
import json
from atoll.bus.broker import envelope
from atoll.bus.inbox import store as inbox
body = json.loads(%(body)r)
print(len(inbox.store([envelope.parse(json.dumps(body).encode(), {}, {})])))
"""
PAYMENT = {
    "orderId": "0199a1b2-0000-7000-8000-00000000abcd",
    "amount": 5,
    "currency": "EUR",
    "userId": "0199a1b2-0000-7000-8000-00000000abce",
    "paymentMethod": "card",
}


def send_unreadable_payment(
    platform: Platform, message_id: str, correlation_id: str, *, without: str = "paymentMethod"
) -> dict[str, Any]:
    """Give payments a command without this field, and return its data. Its delivery dies at once."""
    data = {name: value for name, value in PAYMENT.items() if name != without}
    body = {
        "id": message_id,
        "command": "process.payment",
        "data": data,
        "serviceId": "order-service",
        "correlationId": correlation_id,
    }
    code = STORE % {"body": json.dumps(body)}
    stored = platform.manage("payments", "shell", "-v", "0", "-c", code)
    assert stored.stdout.strip() == "1", stored.stderr
    return data

"""From a stored message to a handler's arguments."""

from typing import Any, get_origin

from atoll import wire
from atoll.bus.deliveries import Claim
from atoll.bus.message import Message
from atoll.bus.outcome import Dead
from atoll.bus.registry import Handler
from atoll.errors import Refusal


def decode(handler: Handler, claim: Claim) -> tuple[Any, Message]:
    """The handler's arguments; Dead when the payload does not fit, since time will not mend it."""
    data = wire.loads(claim.body.encode()).get("data", {})
    message = Message(
        id=claim.message_id,
        type=claim.name,
        data=data,
        service_id=claim.service_id,
        correlation_id=claim.correlation_id,
        timestamp=claim.sent_at,
        version=claim.version,
        attempt=claim.attempt,
        idempotency_key=str(claim.id),
    )
    if dict in (handler.payload_type, get_origin(handler.payload_type)):
        return data, message
    try:
        return wire.from_payload(handler.payload_type, data), message
    except Refusal as error:
        raise Dead(f"The payload does not fit {handler.payload_type.__name__}: {error.message}") from error

"""From a stored message to a handler's arguments."""

from typing import Any

from atoll import wire
from atoll.bus import payloads
from atoll.bus.delivery.store import Claim
from atoll.bus.handler_exceptions import Dead
from atoll.bus.handlers.registry import Handler
from atoll.bus.message import Message


def decode(handler: Handler, claim: Claim, data: dict[str, Any] | None = None) -> tuple[Any, Message]:
    """The handler's arguments; Dead when the payload does not fit, since time will not mend it.

    ``data`` is that of the claim's body, if it was read already. The message keeps its data and version as
    they came.
    """
    if data is None:
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
    try:
        return payloads.read(handler.payload_type, claim.name, data, claim.version), message
    except payloads.PayloadMismatch as mismatch:
        raise Dead(str(mismatch)) from mismatch.__cause__

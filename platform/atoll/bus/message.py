"""What a handler is told about the message beside its payload."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message on its way through one handler.

    ``id`` is the producer's id of the message, the same for every copy;
    ``attempt`` counts from 1; ``idempotency_key`` is the same for every attempt
    of this handler on this message and differs between handlers.
    """

    id: str
    type: str
    data: dict[str, Any]
    service_id: str
    correlation_id: str
    timestamp: datetime
    version: int
    attempt: int
    idempotency_key: str

"""The metadata that a handler receives beside the payload."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message in one attempt of one handler.

    ``id`` comes from the producer; all copies of the message share it.
    ``attempt`` counts from 1. ``idempotency_key`` is the same for every attempt
    of this handler with this message and differs between handlers.
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

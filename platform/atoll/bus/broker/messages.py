"""A message on its way to a broker, and one on its way from it; the same for every transport."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID


class Outgoing(NamedTuple):
    """A row of the outbox that is due."""

    id: int
    message_id: UUID
    kind: str
    name: str
    destination: str
    key: str
    key_sequence: int | None
    body: str
    correlation_id: str
    created_at: datetime
    traceparent: str = ""


@dataclass(frozen=True)
class Arrival:
    """A message as the broker handed it over, not parsed yet.

    ``problem`` says why properties and headers are incomplete; empty when they are complete.
    ``is_redelivered``: a consumer may have had it before. ``is_new``: it was published after this consumer
    began, so it has ended no earlier process.
    """

    queue: str
    routing_key: str
    body: bytes
    properties: dict[str, Any]
    headers: dict[str, Any]
    problem: str = ""
    is_redelivered: bool = False
    is_new: bool = False

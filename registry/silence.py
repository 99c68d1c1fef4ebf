"""Decides which silent instances stay in the answer (docs/decisions/0054).

One instance that becomes silent has most likely died. When all instances of a service become silent
together, the network or the registry has most likely failed. To remove them would end the service;
to keep them costs a caller one more try.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# Heartbeats come every 15 seconds, so leases of instances that fail at one moment expire within
# 15 seconds. Twice that, for processes with slower heartbeats.
TOGETHER_S = 30.0


@dataclass(frozen=True)
class LogLevelState:
    """A level that an operator has set, and the seconds until its end when it was read."""

    level: str
    left_s: float


@dataclass(frozen=True)
class InstanceState:
    """An instance as the database had it when it was read.

    ``left_s`` is the rest of its lease, 0 or less when it is silent. ``wire`` is its JSON in answers.
    """

    pk: int
    id: str
    endpoint: tuple[str, int]
    incarnation: int
    is_drained: bool
    left_s: float
    beat_at: datetime
    beat_age_s: float
    registered_at: datetime
    wire: dict[str, Any]
    log_level: LogLevelState | None = None

    @property
    def is_live(self) -> bool:
        return self.left_s > 0

    @property
    def is_healthy(self) -> bool:
        """Whether it gets traffic."""
        return self.is_live and not self.is_drained


def last_known(instances: Iterable[InstanceState]) -> frozenset[int]:
    """The ``pk`` of the silent instances of one service that callers should still try.

    These are the instances that became silent together and last, if they outnumber the live ones.
    Drained instances are not among them, nor is an instance when a live one has its endpoint.
    """
    wanted = [instance for instance in instances if not instance.is_drained]
    live = [instance for instance in wanted if instance.is_live]
    taken = {instance.endpoint for instance in live if instance.endpoint[1]}
    silent = [instance for instance in wanted if not instance.is_live and instance.endpoint not in taken]
    newest = max((instance.left_s for instance in silent), default=0.0)
    together = [instance for instance in silent if instance.left_s >= newest - TOGETHER_S]
    return frozenset(instance.pk for instance in together) if len(together) > len(live) else frozenset()

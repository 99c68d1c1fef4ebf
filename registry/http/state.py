"""The state of every service in this process's memory, which answers reads and heartbeats.

While the process listens for changes (`is_listening`), the memory is milliseconds behind the database.
While the database is away, the answers are the last known ones and carry their age.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from django.db import InterfaceError, OperationalError

from atoll.errors import Unavailable
from registry.constants import LEASE
from registry.http.beats import Beats
from registry.selectors import STATUSES, UNKNOWN, Answer, describe, status_of
from registry.silence import InstanceState, last_known

# A caller waits so long for the database when memory has an older answer.
KNOWN_WAITS_S = 1.0
# Memory answers alone for so long after a read failed.
AWAY_S = 1.0
# A heartbeat is written at once when its lease has less time left.
URGENT_LEFT_S = 15.0

AWAY = (Unavailable, OperationalError, InterfaceError)


@dataclass
class ServiceState:
    """A service as the database had it at ``read_at``, when ``changes`` of its changes were known here.

    ``expires`` is the end of each instance's lease on this process's clock. Heartbeats that this
    process accepts move it.
    """

    answer: Answer
    instances: dict[str, InstanceState]
    expires: dict[str, float]
    read_at: float
    changes: int


class RegistryState:
    """For one event loop. ``read`` asks the database and brings the index of a changed service up to date."""

    def __init__(
        self,
        read: Callable[[str], Awaitable[Answer]],
        beats: Beats,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._beats = beats
        self._clock = clock
        self._entries: dict[str, ServiceState] = {}
        self._changes: dict[str, int] = {}
        self._away_until = float("-inf")
        self.is_listening = False

    def invalidate(self, service: str) -> None:
        """The service has changed, so its next answer is read from the database."""
        self._changes[service] = self._changes.get(service, 0) + 1
        self._away_until = float("-inf")

    def invalidate_all(self) -> None:
        """Call it after a time in which changes may have been missed."""
        for service in self._entries:
            self.invalidate(service)

    def forget(self, service: str, instance_id: str) -> None:
        """The instance has left, so memory accepts no more heartbeats of it."""
        entry = self._entries.get(service)
        if entry is not None:
            entry.instances.pop(instance_id, None)
        self.invalidate(service)

    def beat(self, service: str, instance_id: str, incarnation: int) -> str | None:
        """Accept a heartbeat from memory: ``"ok"`` or ``"draining"``.

        None when only the database can judge: for an unknown instance or another incarnation.
        """
        entry = self._entries.get(service)
        instance = entry.instances.get(instance_id) if entry else None
        if entry is None or instance is None or incarnation not in (0, instance.incarnation):
            return None
        now = self._clock()
        is_urgent = entry.expires[instance_id] - now < URGENT_LEFT_S
        entry.expires[instance_id] = now + LEASE.total_seconds()
        self._beats.add(instance.pk, incarnation, urgent=is_urgent)
        return "draining" if instance.is_drained else "ok"

    def log_level(self, service: str, instance_id: str) -> dict[str, Any] | None:
        """``{level, forS}`` while an operator has set a level for the instance."""
        entry = self._entries.get(service)
        instance = entry.instances.get(instance_id) if entry else None
        if entry is None or instance is None or instance.log_level is None:
            return None
        left_s = entry.read_at + instance.log_level.left_s - self._clock()
        return {"level": instance.log_level.level, "forS": round(left_s, 3)} if left_s > 0 else None

    async def answer(self, service: str) -> Answer:
        """The answer now. Raises Unavailable when the database is away and memory has no answer."""
        entry = self._entries.get(service)
        if entry is not None and self._is_current(service, entry):
            return entry.answer
        if self._clock() < self._away_until:
            return self._from_memory(service)
        reading = asyncio.ensure_future(self._refresh(service))
        patience_s = None if entry is None else KNOWN_WAITS_S
        try:
            return await asyncio.wait_for(asyncio.shield(reading), patience_s)
        except (TimeoutError, *AWAY):
            self._away_until = self._clock() + AWAY_S
            reading.add_done_callback(_retrieve_error)
            return self._from_memory(service)

    def page(self, start: int, size: int) -> tuple[int, list[dict[str, Any]], float]:
        """The number of services, descriptions of ``size`` of them, and the oldest one's age in seconds."""
        names = sorted(self._entries)
        now = self._clock()
        entries = [(name, self._entries[name]) for name in names[start : start + size]]
        age_s = max((now - entry.read_at for _, entry in entries), default=0.0)
        return (
            len(names),
            [describe(name, entry.answer, now - entry.read_at) for name, entry in entries],
            age_s,
        )

    def count_by_status(self) -> list[tuple[str, Counter[str]]]:
        """The number of instances by status, for each service. Any thread may call it."""
        now, found = self._clock(), []
        for name, entry in sorted(self._entries.copy().items()):
            instances = [
                replace(instance, left_s=entry.expires.get(instance.id, now) - now)
                for instance in entry.answer.registered
            ]
            kept = last_known(instances)
            statuses = Counter(dict.fromkeys(STATUSES, 0))
            statuses.update(status_of(instance, kept) for instance in instances)
            found.append((name, statuses))
        return found

    async def _refresh(self, service: str) -> Answer:
        changes, begun = self._changes.get(service, 0), self._clock()
        answer = await self._read(service)
        if answer.state == UNKNOWN:
            return answer
        instances = {instance.id: instance for instance in answer.registered}
        expires = {instance.id: begun + instance.left_s for instance in answer.registered}
        self._entries[service] = ServiceState(answer, instances, expires, begun, changes)
        return answer

    def _is_current(self, service: str, entry: ServiceState) -> bool:
        if not self.is_listening or entry.changes != self._changes.get(service, 0):
            return False
        valid_s = entry.answer.valid_s
        return valid_s is None or self._clock() < entry.read_at + valid_s

    def _from_memory(self, service: str) -> Answer:
        entry = self._entries.get(service)
        if entry is None:
            raise Unavailable("registry", f"its database is away, and nothing is known of {service}.")
        return replace(entry.answer, valid_s=None, stale_s=self._clock() - entry.read_at)


def _retrieve_error(reading: "asyncio.Future[Answer]") -> None:
    """Keep asyncio from reporting the error of a read that nobody waits for."""
    with suppress(asyncio.CancelledError):
        reading.exception()

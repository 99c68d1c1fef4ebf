"""The abstract models of a process: its row, and its history.

The concrete history names its process:

    class DeliveryHistory(ProcessHistory):
        process = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="history")
"""

from datetime import datetime
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from atoll.process.compensations import CompensationState
from atoll.process.steps import State

MAX_REASON_LENGTH = 200


class ProcessRow(models.Model):
    """The row of one process. Only ``ProcessManager`` changes these fields.

    ``compensations`` has, by command, the state of each compensation, how often it was asked for,
    its times, and the event that ended it. ``timers`` has the number of each timer and, while the
    timer runs, its end. A timer that fires with another number is late and has no effect.
    """

    state = models.CharField(max_length=60, default="", editable=False)
    reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True, editable=False)
    needs_attention = models.BooleanField(
        default=False, db_index=True, editable=False, help_text="A compensation failed."
    )
    compensations = models.JSONField(default=dict, blank=True, editable=False)
    timers = models.JSONField(default=dict, blank=True, editable=False)
    started_at = models.DateTimeField("started", default=timezone.now, editable=False)
    changed_at = models.DateTimeField("changed", default=timezone.now, editable=False)
    ended_at = models.DateTimeField("ended", null=True, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def reached(self) -> State:
        """The state with its compensations, as the table knows it."""
        undone = frozenset(
            (command, CompensationState(record["state"])) for command, record in self.compensations.items()
        )
        return State(self.state, undone)

    def set_timer(self, name: str, end: datetime) -> int:
        """Record that the timer runs. Returns its new number."""
        number = int(self.timers.get(name, {}).get("number", 0)) + 1
        self.timers[name] = {"number": number, "ends_at": end.isoformat()}
        return number

    def has_timer(self, name: str, number: int | None = None) -> bool:
        """Whether the timer runs; with ``number``, whether this very one does."""
        record = self.timers.get(name, {})
        runs = record.get("ends_at") is not None
        return runs and (number is None or record["number"] == number)

    def end_timer(self, name: str) -> None:
        self.timers[name]["ends_at"] = None

    def timer_end(self, name: str) -> datetime | None:
        """The time at which the timer fires, or None when it does not run."""
        ends_at = self.timers.get(name, {}).get("ends_at")
        return parse_datetime(ends_at) if ends_at else None

    def record_ask(self, command: str, at: datetime) -> None:
        asks = int(self.compensations.get(command, {}).get("asks", 0)) + 1
        self.compensations[command] = {
            "state": CompensationState.ASKED.value,
            "asks": asks,
            "asked_at": at.isoformat(),
        }

    def record_end(
        self, command: str, state: CompensationState, *, by: str, reason: str, at: datetime
    ) -> None:
        record: dict[str, Any] = self.compensations[command]
        record |= {"state": state.value, "ended_at": at.isoformat(), "ended_by": by, "reason": reason}


class ProcessHistory(models.Model):
    """One event in the history of a process.

    An event that is late, repeated or out of order has the same state on both sides and an empty
    ``undoing``. ``actor`` is the name of a service, or the person whom the caller named.
    """

    from_state = models.CharField("from", max_length=60, blank=True)
    to_state = models.CharField("to", max_length=60)
    event = models.CharField(max_length=255)
    actor = models.CharField(max_length=255)
    message_id = models.CharField(max_length=255, blank=True)
    correlation_id = models.CharField(max_length=64, blank=True)
    reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)
    undoing = models.TextField(
        blank=True, help_text="The states that compensations reached, such as 'refund.payment asked'."
    )
    is_ignored = models.BooleanField(default=False, help_text="The event changed nothing.")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        abstract = True
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.event}: {self.from_state or 'new'} → {self.to_state}"

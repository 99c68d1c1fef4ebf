"""Carry out the steps of a process: state, history, messages and timers in one transaction.

Every method opens a transaction or joins that of its caller. ``begin``, ``hear`` and ``fire`` set no
savepoint: a failure rolls all of the transaction back. Two events of one process wait for each
other at the lock of its row.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar, cast

import structlog
from django.core.exceptions import FieldDoesNotExist, FieldError, ValidationError
from django.db import transaction
from django.utils import timezone

from atoll import bus, context
from atoll.bus import AddressedCommand, Event, Ignore, Message
from atoll.errors import Conflict, InvalidInput, Misuse, NotFound
from atoll.process import registered
from atoll.process.compensations import CompensationState
from atoll.process.events import FireProcessTimer
from atoll.process.models import MAX_REASON_LENGTH, ProcessHistory, ProcessRow
from atoll.process.steps import Step, first_step, next_step
from atoll.process.table import Table
from atoll.process.table_check import suggestion

log = structlog.get_logger("atoll.process")

BEGUN = "begun"

Row = TypeVar("Row", bound=ProcessRow)


@dataclass(frozen=True)
class Origin:
    """The actor and the message behind an event; a person's decision has no message."""

    actor: str
    message_id: str = ""


class ProcessManager(Generic[Row]):
    """A process by its table, on the rows of ``model``.

    ``messages`` has a function for each message of the table. It builds the message from the row: a
    dataclass with ``type`` is published, one with ``command`` is sent. ``key`` is the unique field of
    the row by which events find it, such as ``order_id``. ``local`` names the events that reach the
    process by ``hear`` from this service's own code and not by a handler of a message. ``name`` is
    kept in timers: a process that is renamed loses those that run.
    """

    def __init__(
        self,
        name: str,
        *,
        table: Table,
        model: type[Row],
        messages: Mapping[str, Callable[[Row], Event | AddressedCommand]],
        key: str = "pk",
        local: tuple[str, ...] = (),
    ) -> None:
        self.name, self.table, self.model, self.messages = name, table, model, messages
        self.key, self.local = key, local
        self.declared_in = str(sys._getframe(1).f_globals.get("__name__", ""))
        registered.add(self)

    @transaction.atomic(savepoint=False)
    def begin(self, row: Row, *, actor: str = "", message: Message | None = None) -> Row:
        """Store the row and take the first step. Returns the row, locked.

        When there is a row with its key already, that row stays as it is, and its history says that
        the beginning was repeated.
        """
        origin = _origin(actor, message)
        stored, has_begun = self._begun(row, origin)
        if not has_begun:
            self._record(stored, BEGUN, origin, before=stored.state, is_ignored=True)
        return stored

    @transaction.atomic(savepoint=False)
    def hear(
        self,
        key: object,
        event: str,
        *,
        actor: str = "",
        message: Message | None = None,
        reason: str = "",
        begin_with: Callable[[], Row] | None = None,
    ) -> Step:
        """Take the step that the event makes, and return it.

        ``begin_with`` makes the row of a process that does not exist yet: it begins, then hears the
        event. Without it, an unknown key raises Ignore when a message is given and NotFound
        (``process_not_found``) otherwise. Raises Misuse for an event that the table does not have.
        """
        if event not in self.table.heard:
            raise Misuse(
                f"The process {self.name} has no event {event!r}.{suggestion(event, self.table.heard)}"
            )
        origin = _origin(actor, message)
        row = self._locked(key)
        if row is None and begin_with is not None:
            row, _ = self._begun(begin_with(), origin)
        if row is None:
            raise self._unknown(key, message)
        return self._advance(row, str(event), origin, reason)

    @transaction.atomic(savepoint=False)
    def fire(self, key: object, timer: str, number: int, message: Message) -> Step | None:
        """Take the step of a timer. None for a timer that was called off or set anew since."""
        row = self._locked(key)
        if row is None:
            raise self._unknown(key, message)
        origin = _origin("", message)
        if timer not in self.table.durations or not row.has_timer(timer, number):
            self._record(row, timer, origin, before=row.state, reason="late timer", is_ignored=True)
            return None
        row.end_timer(timer)
        return self._advance(row, timer, origin, "")

    @transaction.atomic
    def ask_again(self, key: object, *, actor: str) -> list[str]:
        """Send the command of every failed compensation again. Returns the commands.

        Raises NotFound, and Conflict (``nothing_failed``) when no compensation has failed.
        """
        row = self._known(key)
        failed = sorted(
            command for command, state in row.reached.compensations if state is CompensationState.FAILED
        )
        if not failed:
            raise Conflict(f"{self.name} {key} has no failed compensation.", code="nothing_failed")
        for command in failed:
            self._advance(row, self.table.compensation(command).asked_again, Origin(actor), "")
        return failed

    @transaction.atomic
    def settle_by_hand(self, key: object, command: str, *, actor: str, reason: str) -> None:
        """Settle a failed compensation, whose work a person has done. ``reason`` says how.

        Raises NotFound, InvalidInput without a reason, and Conflict (``nothing_failed``) for a
        compensation in another state.
        """
        reason = reason.strip()
        if not 0 < len(reason) <= MAX_REASON_LENGTH:
            raise InvalidInput(f"Say in 1 to {MAX_REASON_LENGTH} characters how it was settled.")
        row = self._known(key)
        if row.reached.of(command) is not CompensationState.FAILED:
            raise Conflict(
                f"{command} of {self.name} {key} has not failed. Only what failed can be settled by hand.",
                code="nothing_failed",
            )
        self._advance(row, self.table.compensation(command).settled, Origin(actor), reason)

    @property
    def history(self) -> type[ProcessHistory]:
        """The concrete history. Raises Misuse when the model has none."""
        try:
            related = self.model._meta.get_field("history").related_model
        except FieldDoesNotExist:
            related = None
        if not (isinstance(related, type) and issubclass(related, ProcessHistory)):
            raise Misuse(
                f"{self.model.__name__} has no history. Declare a subclass of ProcessHistory with a "
                'ForeignKey `process` to it and related_name="history".'
            )
        return related

    def _begun(self, row: Row, origin: Origin) -> tuple[Row, bool]:
        """The stored row of this key, locked, and whether this call has begun it."""
        if row.pk is None and self.key == "pk":
            row.save(force_insert=True)
        else:
            # Of two that begin one process at once, the second waits here for the first.
            self.model._default_manager.bulk_create([row], ignore_conflicts=True)
        key = row.pk if self.key == "pk" else getattr(row, self.key)
        stored = self._locked(key)
        if stored is None:
            raise Misuse(
                f"A {self.model.__name__} with {self.key} {key!r} could not be stored: another row has the "
                "same value in a unique field."
            )
        if stored.state:
            return stored, False
        step = first_step(self.table)
        self._carry_out(stored, step, BEGUN, origin, "")
        return stored, True

    def _advance(self, row: Row, event: str, origin: Origin, reason: str) -> Step:
        step = next_step(self.table, row.reached, event)
        self._carry_out(row, step, event, origin, reason)
        return step

    def _carry_out(self, row: Row, step: Step, event: str, origin: Origin, reason: str) -> None:
        before, now = row.state, timezone.now()
        has_moved = step.state.name != before
        reason = reason[:MAX_REASON_LENGTH]
        if has_moved:
            row.state, row.reason = step.state.name, reason
        for command, reached in step.compensations:
            self._record_compensation(row, command, reached, event, reason, now)
        stopped = [name for name in step.stop if row.has_timer(name) and name not in step.start]
        for name in stopped:
            row.end_timer(name)
        ends = {name: now + _length(self.table.durations[name]) for name in step.start}
        started = {name: row.set_timer(name, end) for name, end in ends.items()}
        row.needs_attention, row.changed_at = step.state.has_failed, now
        if step.state.name in self.table.final and row.ended_at is None:
            row.ended_at = now
        is_ignored = not (has_moved or step.compensations or step.send or step.start or stopped)
        row.save(
            update_fields=[
                "state", "reason", "needs_attention", "compensations", "timers", "changed_at", "ended_at",
            ]
        )  # fmt: skip
        undoing = ", ".join(f"{command} {reached.value}" for command, reached in step.compensations)
        self._record(row, event, origin, before=before, reason=reason, undoing=undoing, is_ignored=is_ignored)
        for name in step.send:
            self._send(row, str(name))
        for name in stopped:
            bus.cancel_scheduled(self._token(row, name))
        for name, number in started.items():
            bus.cancel_scheduled(self._token(row, name))
            bus.schedule(
                FireProcessTimer(self.name, self._key_of(row), str(name), number),
                after=ends[name] - now,
                token=self._token(row, name),
            )

    def _record_compensation(
        self, row: Row, command: str, reached: CompensationState, event: str, reason: str, at: datetime
    ) -> None:
        if reached is CompensationState.ASKED:
            row.record_ask(command, at)
            return
        row.record_end(command, reached, by=event, reason=reason, at=at)
        if reached is CompensationState.FAILED:
            log.error(
                "compensation failed, a person must look at the process",
                process=self.name,
                key=self._key_of(row),
                compensation=command,
                after=event,
                reason=reason,
            )

    def _record(self, row: Row, event: str, origin: Origin, *, before: str, **facts: Any) -> None:
        self.history._default_manager.create(
            process=row,
            from_state=before,
            to_state=row.state,
            event=event,
            actor=origin.actor,
            message_id=origin.message_id,
            correlation_id=context.correlation_id() or "",
            **facts,
        )

    def _send(self, row: Row, name: str) -> None:
        message = self.messages[name](row)
        if getattr(message, "command", None) == name:
            bus.send(cast(AddressedCommand, message), key=self._key_of(row))
        elif getattr(message, "type", None) == name:
            bus.publish(cast(Event, message), key=self._key_of(row))
        else:
            raise Misuse(
                f"The function for {name!r} of the process {self.name} returned {type(message).__name__}, "
                "whose class variable `type` or `command` is not that name."
            )

    def _locked(self, key: object) -> Row | None:
        try:
            return self.model._default_manager.select_for_update().get(**{self.key: key})
        except (self.model.DoesNotExist, ValueError, ValidationError):
            return None
        except FieldError as error:
            raise Misuse(f"The key of the process {self.name} is no field: {error}") from error

    def _known(self, key: object) -> Row:
        row = self._locked(key)
        if row is None:
            raise self._unknown(key, None)
        return row

    def _unknown(self, key: object, message: Message | None) -> Exception:
        text = f"There is no {self.name} {key}."
        # A retry of the message would find none either.
        return (
            Ignore(text) if message else NotFound(text, code="process_not_found", title="Process not found")
        )

    def _key_of(self, row: Row) -> str:
        return str(row.pk if self.key == "pk" else getattr(row, self.key))

    def _token(self, row: Row, timer: str) -> str:
        return f"process:{self.name}:{self._key_of(row)}:{timer}"


def _origin(actor: str, message: Message | None) -> Origin:
    if message is None:
        return Origin(actor)
    return Origin(actor or message.service_id or "unknown", str(message.id))


def _length(duration: timedelta | Callable[[], timedelta]) -> timedelta:
    return duration if isinstance(duration, timedelta) else duration()

"""The failures of handlers that a test does not expect, and the text that shows them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db.models import Q

from atoll import bus
from atoll.bus.handlers import registry
from atoll.bus.models import Delivery

# Frames of the bus itself say nothing about the service under test.
BUS_FOLDER = str(Path(bus.__file__).parent)
TESTING_FOLDER = str(Path(__file__).parent)
FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line \d+', re.MULTILINE)
HEADER = "Traceback (most recent call last):\n"
MAX_SHOWN = 5
ADVICE = (
    "Expect a failure with `atoll_bus.failed(handler=..., error=...)`, or let its retry run with "
    "`atoll_bus.advance(...)`. `atoll_bus.is_strict = False` allows every failure."
)

Handler = str | Callable[..., Any]
Error = str | type[BaseException]


def failing_or_dead() -> list[Delivery]:
    """Deliveries whose last attempt failed: dead, or waiting for a retry."""
    waits = (
        Q(status__in=[Delivery.Status.PENDING, Delivery.Status.RUNNING]) & ~Q(error="") & Q(attempts__gt=0)
    )
    rows = Delivery.objects.filter(Q(status=Delivery.Status.DEAD) | waits)
    return list(rows.select_related("message").order_by("message_id", "id"))


def matches(row: Delivery, handler: Handler | None, error: Error | None) -> bool:
    return _is_of(row, handler) and _has(row, error)


def _is_of(row: Delivery, handler: Handler | None) -> bool:
    if handler is None:
        return True
    if isinstance(handler, str):
        return handler in (row.handler, row.handler.rpartition(".")[2])
    return row.handler in {one.id for one in registry.handlers() if one.function is handler}


def _has(row: Delivery, error: Error | None) -> bool:
    if error is None:
        return True
    if isinstance(error, str):
        return error in row.error
    raised = row.traceback.rpartition(HEADER)[2] or row.error
    return re.search(rf"^(?:[\w.]+\.)?{error.__name__}(?=:|$)", raised, re.MULTILINE) is not None


def report(rows: list[Delivery]) -> str:
    """One paragraph for each failed delivery, with the handler's own lines of the traceback."""
    count = "A handler" if len(rows) == 1 else f"{len(rows)} deliveries"
    parts = [f"{count} failed, and the test does not expect it."]
    parts += [_paragraph(row) for row in rows[:MAX_SHOWN]]
    if len(rows) > MAX_SHOWN:
        parts.append(f"and {len(rows) - MAX_SHOWN} more")
    return "\n\n".join([*parts, ADVICE])


def _paragraph(row: Delivery) -> str:
    if row.status == Delivery.Status.DEAD:
        state = f"dead after attempt {row.attempts}"
    else:
        state = f"attempt {row.attempts} failed, the next one is at {row.next_attempt_at:%H:%M:%S} UTC"
    return f"{row.message.name} for {row.handler}: {state}\n{short_traceback(row)}"


def short_traceback(row: Delivery) -> str:
    """The last error with the frames below the bus's own; the error alone when it has none."""
    last = row.traceback.rpartition(HEADER)[2]
    frames = list(FRAME.finditer(last))
    outside = next((place for place in range(len(frames), 0, -1) if _is_ours(frames[place - 1]["file"])), 0)
    if outside >= len(frames):
        return row.error
    return last[frames[outside].start() :].rstrip()


def _is_ours(file: str) -> bool:
    return file.startswith((BUS_FOLDER, TESTING_FOLDER))

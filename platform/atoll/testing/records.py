"""The messages of the service under test and their results, read from its tables."""

import json
from typing import Any
from uuid import UUID

from django.db import connection

from atoll.bus.models import Delivery, Outbox, Quarantine
from atoll.testing import unexpected
from atoll.testing.faults import RandomFailures
from atoll.testing.unexpected import Error, Handler


class Records:
    def __init__(self) -> None:
        self.failures: RandomFailures | None = None
        self.is_strict = True
        self._repetitions: set[str] = set()
        self._expected: set[UUID] = set()

    def published(self, event_type: str | None = None) -> list[dict[str, Any]]:
        """The envelopes of the events published so far, in order; of one type when given."""
        return self._announced("event", event_type)

    def sent(self, command: str | None = None) -> list[dict[str, Any]]:
        """The envelopes of the commands sent so far, in order; of one name when given."""
        return self._announced("command", command)

    def handled(self, name: str | None = None) -> list[Delivery]:
        """The deliveries whose handler is done, in the order of arrival, repetitions left out."""
        return self._deliveries(name, status=Delivery.Status.DONE)

    def dead(self, name: str | None = None) -> list[Delivery]:
        """The deliveries that ran out of attempts or cannot succeed, with ``error`` and ``traceback``.

        The test expects those that it gets here.
        """
        rows = self._deliveries(name, status=Delivery.Status.DEAD)
        self._expected |= {row.id for row in rows}
        return rows

    def failed(self, handler: Handler | None = None, error: Error | None = None) -> list[Delivery]:
        """Expect failures: return the deliveries that are dead or wait for a retry, with ``error``.

        ``handler`` is the function, its name or the whole name; ``error`` a class or a part of the text.
        Raises AssertionError when no delivery of that handler failed so.
        """
        __tracebackhide__ = True
        rows = [row for row in unexpected.failing_or_dead() if unexpected.matches(row, handler, error)]
        if not rows:
            raise AssertionError(f"No such failure.\n{self.summary()}")
        self._expected |= {row.id for row in rows}
        return rows

    def unexpected_failures(self) -> str:
        """The text about failures that the test does not expect. "" without one, and unless ``is_strict``.

        The plugin fails a test with it that has passed.
        """
        if not self.is_strict or connection.needs_rollback:
            return ""
        rows = [row for row in unexpected.failing_or_dead() if row.id not in self._expected]
        return unexpected.report(rows) if rows else ""

    def quarantined(self) -> list[Quarantine]:
        """The arrivals that could not be read, with ``reason``."""
        return list(Quarantine.objects.order_by("id"))

    def summary(self) -> str:
        """Every message and its result, for the output of a failing test."""
        lines = [f"{row.kind} {row.name}: {row.status} {row.error}" for row in Outbox.objects.order_by("id")]
        for row in Delivery.objects.select_related("message").order_by("message_id", "id"):
            lines.append(
                f"{row.message.name} for {row.handler}: {row.status}, {row.attempts} attempts {row.error}"
            )
        lines += [f"quarantined: {row.reason}" for row in self.quarantined()]
        if self.failures:
            lines.append(f"random failures with seed {self.failures.seed}: {dict(self.failures.injected)}")
        return "\n".join(line.strip() for line in lines) or "There is no message at all."

    def _announced(self, kind: str, name: str | None) -> list[dict[str, Any]]:
        rows = Outbox.objects.filter(kind=kind).order_by("id")
        if name is not None:
            rows = rows.filter(name=name)
        return [json.loads(body) for body in rows.values_list("body", flat=True)]

    def _deliveries(self, name: str | None, **wanted: Any) -> list[Delivery]:
        rows = Delivery.objects.filter(**wanted).select_related("message").order_by("message_id", "id")
        if name is not None:
            rows = rows.filter(message__name=name)
        return [row for row in rows if row.message.message_id not in self._repetitions]

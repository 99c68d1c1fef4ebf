"""Writes the reports of failures, and reads them for the console. Times of ``told_at`` are the database's."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Case, F, QuerySet, Sum, When
from django.db.models.functions import Now

from registry.failing.report import Report
from registry.failing_models import FailingCause, FailureReport

KEPT = timedelta(hours=25)
SHOWN = 50
# A worker tells every five seconds while something fails.
LATE_S = 30.0

# The row keeps reports of one service apart. One that was read earlier than the stored one is dropped, unless
# that is old: the clock of the service's database may have been set back.
TAKE = """
INSERT INTO registry_failurereport AS report (service, as_of, is_cut, told_at)
VALUES (%(service)s, %(as_of)s, %(is_cut)s, statement_timestamp())
ON CONFLICT (service) DO UPDATE
SET as_of = EXCLUDED.as_of, is_cut = EXCLUDED.is_cut, told_at = EXCLUDED.told_at
WHERE report.as_of <= EXCLUDED.as_of OR report.told_at < statement_timestamp() - INTERVAL '2 minutes'
RETURNING service
"""
FACTS = ("handler", "name", "cause", "failing", "dead", "behind", "first_at", "last_at", "next_at", "dead_at",
         "sample", "is_cut", "timers", "things")  # fmt: skip


@dataclass(frozen=True)
class Told:
    """The counts of a service's last report."""

    failing: int
    dead: int
    told_at: datetime
    is_late: bool


def replace(report: Report) -> bool:
    """Store a report in place of the service's last one; False when that was read later."""
    service = report.service_name
    asked: dict[str, Any] = {"service": service, "as_of": report.as_of, "is_cut": report.is_cut}
    rows = {
        one.fingerprint: FailingCause(
            service=service,
            fingerprint=one.fingerprint,
            **{name: value for name, value in asdict(one).items() if name in FACTS},
        )
        for one in report.causes
    }
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(TAKE, asked)
            if not cursor.fetchall():
                return False
        FailingCause.objects.filter(service=service).exclude(fingerprint__in=[*rows]).delete()
        FailingCause.objects.bulk_create(
            rows.values(), update_conflicts=True, unique_fields=["service", "fingerprint"],
            update_fields=[name for name in FACTS if name not in ("handler", "name", "cause")],
        )  # fmt: skip
    return True


def causes(shown: int = SHOWN) -> QuerySet[FailingCause]:
    """The causes of all services: those that still fail before those that are dead, each the latest first."""
    is_over = Case(When(failing__gt=0, then=0), default=1)
    return FailingCause.objects.order_by(is_over, F("last_at").desc(nulls_last=True), "pk")[:shown]


def told() -> dict[str, Told]:
    """The last report of each service, in two queries."""
    sums = {
        service: (failing, dead)
        for service, failing, dead in FailingCause.objects.order_by()
        .values_list("service")
        .annotate(Sum("failing"), Sum("dead"))
    }
    return {
        one.service: Told(
            *sums.get(one.service, (0, 0)), one.told_at, (one.now - one.told_at).total_seconds() > LATE_S
        )
        for one in FailureReport.objects.annotate(now=Now())
    }


def forget_old() -> int:
    """Delete the reports of services that told nothing for KEPT; the number of services."""
    old = FailureReport.objects.filter(told_at__lt=Now() - KEPT)
    services: Sequence[str] = list(old.values_list("service", flat=True))
    with transaction.atomic():
        FailingCause.objects.filter(service__in=services).delete()
        return FailureReport.objects.filter(service__in=services, told_at__lt=Now() - KEPT).delete()[0]

"""For whom it stops when routes, machines, keys or issuers stop: counts for the page that asks before."""

from datetime import timedelta
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Value
from django.db.models.functions import Coalesce, NullIf
from django.utils import timezone

from gateway.callers import ApiKey, Consumer, Issuer
from gateway.models import RequestLog, Route

WINDOW = timedelta(hours=1)
NAMED = 10


def of_routes(routes: QuerySet[Route]) -> list[str]:
    stopping = routes.filter(enabled=True)
    told = [_requests(Q(route__in=stopping.values("name")))]
    machines = Consumer.objects.filter(enabled=True, grants__route__in=stopping.values("pk")).distinct()
    names = [machine.code for machine in machines]
    if names:
        told.append(f"Machines with a grant for them: {_list(names)}.")
    return told


def of_consumers(consumers: QuerySet[Consumer]) -> list[str]:
    keys = ApiKey.objects.filter(consumer__in=consumers.values("pk"), revoked_at=None).count()
    callers = [f"consumer:{code}" for code in consumers.values_list("code", flat=True)]
    return [f"Keys in use: {keys}.", _requests(Q(user_id__in=callers))]


def of_keys(keys: QuerySet[ApiKey]) -> list[str]:
    """The request log does not tell the keys of one machine apart."""
    in_use = keys.filter(revoked_at=None)
    used = in_use.filter(last_used_at__gte=timezone.now() - WINDOW).count()
    total = in_use.count()
    left = ApiKey.objects.filter(
        consumer__in=in_use.values("consumer"), consumer__enabled=True, revoked_at=None
    ).exclude(pk__in=in_use.values("pk"))
    machines = in_use.values("consumer").distinct().count()
    return [
        f"Of {total} {'key' if total == 1 else 'keys'}, {used} {'was' if used == 1 else 'were'} used in the "
        "last hour.",
        f"Machines: {machines}. Other keys that they keep: {left.count()}.",
    ]


def of_issuers(issuers: QuerySet[Issuer]) -> list[str]:
    """Ids of an issuer whose ids stand alone cannot be told from those of users."""
    named = [issuer.name for issuer in issuers if not issuer.bare_ids]
    if not named:
        return []
    by_name = Q()
    for name in named:
        by_name |= Q(user_id__startswith=f"{name}:")
    return [_requests(by_name)]


def _requests(which: Q) -> str:
    """A caller is a user or a machine, and else an address."""
    rows = RequestLog.objects.filter(which, at__gte=timezone.now() - WINDOW)
    caller = Coalesce(NullIf(F("user_id"), Value("")), F("client"))
    found: dict[str, Any] = rows.aggregate(requests=Count("id"), callers=Count(caller, distinct=True))
    if not found["requests"]:
        return "The request log has no request of theirs in the last hour."
    return (
        f"Requests in the last hour: {found['requests']:,}. Callers: {found['callers']:,}. "
        "The request log of a busy gateway is a sample, so there may be more."
    )


def _list(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")

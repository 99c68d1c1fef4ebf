"""The live overview: counts and signs of life of the bus, on a page that refreshes itself."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from atoll import conf
from atoll.admin import site
from atoll.bus.admin.deliveries import short_handler_name
from atoll.bus.operations import stats
from atoll.bus.operations.stats import MAX_COUNTED
from atoll.bus.ttl_cache import TtlCache
from atoll.errors import AtollError

if TYPE_CHECKING:
    from atoll.discovery import Instance

REFRESH_EVERY_S = 3
WORKERS_ASKED_EVERY_S = 10.0
# An older backlog is shown in red: the sweep finds a delivery without a hint within ten seconds.
LATE_S = 15.0
NOTHING = "–"


def overview_page(request: HttpRequest) -> HttpResponse:
    page = {
        **site.each_context(request),
        "title": "Live overview",
        "counts": _render_counts(request),
        "refresh_url": reverse("admin:atoll_bus_overview_figures"),
        "refresh_every_s": REFRESH_EVERY_S,
    }
    return TemplateResponse(request, "atoll/bus/overview.html", page)


def counts_part(request: HttpRequest) -> HttpResponse:
    """Answer with the part of the page that refreshes."""
    return HttpResponse(_render_counts(request))


def _render_counts(request: HttpRequest) -> str:
    try:
        context = _context(request)
    except OperationalError:
        context = {"problem": "The database took too long to answer. This page tries again by itself."}
    return render_to_string("atoll/bus/counts.html", context, request)


def _context(request: HttpRequest) -> dict[str, Any]:
    counts, recent, last_activity = stats.ledger_counts(), stats.recent_activity(), stats.last_activity()
    delivery, quarantine = (
        reverse("admin:atoll_bus_delivery_changelist"),
        reverse("admin:atoll_bus_quarantine_changelist"),
    )
    outbox = reverse("admin:atoll_bus_outbox_changelist")
    return {
        "at": timezone.now(),
        "cards": [
            _card("To publish", counts.to_publish, f"{outbox}?status__exact=pending",
                  _aged("oldest waits", counts.oldest_to_publish_s), counts.oldest_to_publish_s),
            _card("Due", counts.due, f"{delivery}?status__exact=pending",
                  _aged("oldest waits", counts.oldest_due_s), counts.oldest_due_s),
            _card("Running", counts.running, f"{delivery}?status__exact=running",
                  _aged("longest for", counts.longest_running_s)),
            _card("Failing now", counts.failing, f"{reverse('admin:atoll_bus_dead_letters')}#failing",
                  f"{_count(counts.retrying)} wait for a retry", alarming=True),
            _card("Timers", counts.scheduled, f"{delivery}?status__exact=pending", "due later"),
            _card("Dead letters", counts.dead, reverse("admin:atoll_bus_dead_letters"),
                  "they wait for your decision", alarming=True),
            _card("Quarantine", counts.quarantined, f"{quarantine}?status__exact=waiting",
                  "received messages that cannot be read", alarming=True),
            _card("Blocked lanes", counts.blocked_lanes, "#lanes",
                  f"{_count(counts.waiting_in_lane)} deliveries wait in lanes", alarming=True),
            _card("Without a worker", counts.unattended, reverse("admin:atoll_bus_handlers"),
                  "no worker has code for their handlers", alarming=True),
        ],
        "refused": counts.refused,
        "unroutable": counts.unroutable,
        "recent": recent,
        "recent_s": stats.RECENT_S,
        "last_activity": [
            ("Last published", _ago(last_activity.published_at)),
            ("Last received", _ago(last_activity.received_at)),
            ("Last settled", _ago(last_activity.settled_at)),
        ],
        "has_registry": conf.has_registry(),
        "workers": _workers(),
        "lanes": [_lane(lane) for lane in stats.blocked_lanes()] if counts.blocked_lanes else [],
        "lanes_not_shown": max(counts.blocked_lanes - stats.MAX_LANES, 0),
        "may_decide": request.user.has_perm("atoll_bus.decide_delivery"),
    }  # fmt: skip


def _card(
    title: str, count: int, url: str, note: str, age_s: float | None = None, *, alarming: bool = False
) -> dict[str, Any]:
    is_bad = (alarming and count > 0) or (age_s is not None and age_s > LATE_S)
    return {"title": title, "value": _count(count), "url": url, "note": note, "is_bad": is_bad}


def _lane(lane: stats.BlockedLane) -> dict[str, Any]:
    return {
        "lane": lane,
        "handler": short_handler_name(lane.handler),
        "waiting": _count(lane.waiting),
        "since": _ago(lane.since),
        "url": reverse("admin:atoll_bus_delivery_change", args=[lane.head]),
        "replay_url": reverse("admin:atoll_bus_delivery_replay_this", args=[lane.head]),
        "skip_url": reverse("admin:atoll_bus_delivery_discard_this", args=[lane.head]),
    }


def _ask_registry() -> "Sequence[Instance] | None":
    """Return the registered workers of this service, or None without a registry and without its answer."""
    if not conf.has_registry():
        return None
    # Its packages are needed with a registry alone.
    from atoll.discovery import RegistryClient

    try:
        answer = RegistryClient(conf.project_name()).discover(f"{conf.service_name()}.worker")
    except (AtollError, ImproperlyConfigured):
        return None
    return answer.instances


_workers = TtlCache(_ask_registry, ttl_s=WORKERS_ASKED_EVERY_S)


def _count(count: int) -> str:
    return f"{count:,}+" if count >= MAX_COUNTED else f"{count:,}"


def _aged(what: str, age_s: float | None) -> str:
    return "" if age_s is None else f"{what} {_duration(age_s)}"


def _ago(moment: datetime | None) -> str:
    return NOTHING if moment is None else f"{_duration(time.time() - moment.timestamp())} ago"


def _duration(length_s: float) -> str:
    for unit, size_s in (("d", 86_400), ("h", 3600), ("min", 60)):
        if length_s >= 2 * size_s:
            return f"{length_s / size_s:.0f} {unit}"
    return f"{max(length_s, 0):.0f} s" if length_s >= 10 else f"{max(length_s, 0):.1f} s"

"""A journey as a picture: its spans as rows of a waterfall, parents before children."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q, QuerySet

from registry.models import Span
from registry.traces.scale import Scale

MAX_SPANS = 600
# journeys.css has a step for each.
MAX_DEPTH = 20


@dataclass(frozen=True)
class Row:
    """``is_cut_off``: the span that caused it is not here. ``left`` and ``width`` are thousandths of the
    picture; a short span has a width that can be seen."""

    span: Span
    depth: int
    is_cut_off: bool
    left: float
    width: float
    after: timedelta

    @property
    def duration(self) -> timedelta:
        return timedelta(microseconds=self.span.duration_us)


@dataclass(frozen=True)
class Picture:
    rows: list[Row]
    services: list[str]
    correlation_ids: list[str]
    trace_ids: list[str]
    started_at: datetime
    duration: timedelta
    scale: Scale
    is_whole: bool
    errors: list[Row] = field(default_factory=list)


def find(identifier: str) -> Picture | None:
    """The journey of a correlation id or a trace id. None when no span of it is kept.

    It has at most MAX_SPANS spans, the first ones.
    """
    traces = list(_spans(identifier).values_list("trace_id", flat=True).distinct()[:50])
    if not traces:
        return None
    spans = list(
        Span.objects.filter(trace_id__in=traces).order_by("started_at", "-duration_us", "id")[: MAX_SPANS + 1]
    )
    return picture(spans[:MAX_SPANS], is_whole=len(spans) <= MAX_SPANS)


def is_kept(identifier: str) -> bool:
    """Whether there is a journey of this correlation id or trace id."""
    return _spans(identifier).exists()


def _spans(identifier: str) -> QuerySet[Span]:
    wanted = Q(correlation_id=identifier)
    digits = identifier.replace("-", "").lower()
    if len(digits) == 32 and not digits.strip("0123456789abcdef"):
        wanted |= Q(trace_id=UUID(digits))
    return Span.objects.filter(wanted)


def picture(spans: Sequence[Span], *, is_whole: bool = True) -> Picture:
    """``spans`` are in the order of their beginnings; there is at least one."""
    scale = Scale([(one.started_at, _end(one)) for one in spans])
    rows = [_row(scale, *placed) for placed in _in_order(spans)]
    started_at = spans[0].started_at
    return Picture(
        rows=rows,
        services=list(dict.fromkeys(one.service for one in spans)),
        correlation_ids=list(dict.fromkeys(one.correlation_id for one in spans if one.correlation_id)),
        trace_ids=list(dict.fromkeys(one.trace_id.hex for one in spans)),
        started_at=started_at,
        duration=max(_end(one) for one in spans) - started_at,
        scale=scale,
        is_whole=is_whole,
        errors=[row for row in rows if row.span.error],
    )


def _in_order(spans: Sequence[Span]) -> Iterable[tuple[Span, int, bool]]:
    """Each span with its depth, after its parent; and whether its parent is missing."""
    known = {(one.trace_id, one.span_id) for one in spans}
    children: dict[tuple[UUID, str], list[Span]] = defaultdict(list)
    tops: list[Span] = []
    for one in spans:
        parent = (one.trace_id, one.parent_id)
        if one.parent_id in ("", one.span_id) or parent not in known:
            tops.append(one)
        else:
            children[parent].append(one)
    shown: set[int] = set()
    # Spans whose parents form a circle are nobody's child from the top; they come last.
    for top in (*tops, *spans):
        waiting = [(top, 0)]
        while waiting:
            one, depth = waiting.pop()
            if one.pk in shown:
                continue
            shown.add(one.pk)
            is_cut_off = depth == 0 and one.parent_id != ""
            yield one, min(depth, MAX_DEPTH), is_cut_off
            below = children[one.trace_id, one.span_id]
            waiting.extend((child, depth + 1) for child in reversed(below))


def _row(scale: Scale, span: Span, depth: int, is_cut_off: bool) -> Row:
    left, right = scale.place(span.started_at), scale.place(_end(span))
    return Row(
        span=span,
        depth=depth,
        is_cut_off=is_cut_off,
        left=round(min(left, 996.0), 2),
        width=round(max(right - left, 4.0), 2),
        after=span.started_at - scale.begin,
    )


def _end(span: Span) -> datetime:
    return span.started_at + timedelta(microseconds=span.duration_us)

"""Filters of lists by time: the last minutes, hours or days, or from one moment to another."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.widgets import UnfoldAdminSelectWidget

__all__ = ["TimeFilter"]

SPANS = {
    "5m": ("last 5 minutes", timedelta(minutes=5)),
    "1h": ("last hour", timedelta(hours=1)),
    "1d": ("last day", timedelta(days=1)),
    "7d": ("last 7 days", timedelta(days=7)),
}
ANY_TIME = "any time"
# Names of columns that say little above a filter.
TITLES = {"at": "time"}


@dataclass(frozen=True)
class Span:
    """A link above the list."""

    title: str
    query: str
    is_chosen: bool


class TimeFilter(RangeDateTimeFilter):
    """Filters a column of times (UTC) by a span that ends now, or by a lower and an upper bound.

    ``?created_at_last=1h`` in an address always means the hour before it is opened. The list shows
    links for the spans of its first TimeFilter.
    """

    template = "atoll/admin/time_filter.html"

    def __init__(
        self, field: Any, request: HttpRequest, params: dict[str, Any], *others: Any, **named: Any
    ) -> None:
        super().__init__(field, request, params, *others, **named)
        self.title = f"{TITLES.get(self.field_path, field.verbose_name)} (UTC)"
        # Django has taken it out of ``params``, because it is among the expected parameters.
        given = self.used_parameters.get(self.name_of_span) or ""
        self.chosen = (given[0] if isinstance(given, list) else str(given)).strip()

    @property
    def name_of_span(self) -> str:
        return f"{self.field_path}_last"

    def expected_parameters(self) -> list[str | None]:
        return [*super().expected_parameters(), self.name_of_span]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        """Raises IncorrectLookupParameters for an unknown span."""
        if self.chosen:
            if self.chosen not in SPANS:
                raise IncorrectLookupParameters(f"{self.chosen[:10]!r} is no span of time.")
            since = timezone.now() - SPANS[self.chosen][1]
            queryset = queryset.filter(**{f"{self.field_path}__gte": since})
        narrowed: QuerySet[Any] | None = super().queryset(request, queryset)
        return narrowed

    def spans(self, changelist: Any) -> list[Span]:
        """The links. Each keeps the other filters and the search."""
        links = [
            Span(title, changelist.get_query_string({self.name_of_span: key}), key == self.chosen)
            for key, (title, _length) in SPANS.items()
        ]
        return [
            *links,
            Span(ANY_TIME, changelist.get_query_string(remove=[self.name_of_span]), not self.chosen),
        ]

    def choices(self, changelist: Any) -> Iterator[dict[str, Any]]:
        for shown in super().choices(changelist):
            form = shown["form"]
            form.data = {**form.data, self.name_of_span: self.chosen}
            form.fields = {
                self.name_of_span: forms.ChoiceField(
                    label="",
                    required=False,
                    choices=[("", ANY_TIME), *((key, title) for key, (title, _length) in SPANS.items())],
                    widget=UnfoldAdminSelectWidget(attrs={"aria-label": self.title}),
                ),
                **form.fields,
            }
            for field in form.fields.values():
                _name_inputs(field.widget)
            yield shown


def _name_inputs(widget: Any) -> None:
    """Give inputs without a label the text of their placeholder as name for screen readers."""
    for part in getattr(widget, "widgets", (widget,)):
        if "placeholder" in part.attrs:
            part.attrs.setdefault("aria-label", part.attrs["placeholder"])

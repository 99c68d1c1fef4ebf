"""The base class of the ledger's admins: short ids, status badges, logged actions, large bodies."""

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import ngettext

from atoll import text
from atoll.admin import short_id
from atoll.bus.admin.large_bodies import MAX_SHOWN, Body
from atoll.bus.admin.look import STYLES, ActionForm, ReadOnlyAdmin, TextInput, badge, journey_link
from atoll.bus.operations.recovery import RowIds
from atoll.identity.rights import Rights
from atoll.identity.roles import OPERATOR, SUPPORT

BADGE_COLOURS = {
    "pending": "info",
    "running": "info",
    "waiting": "warning",
    "done": "success",
    "published": "success",
    "received": "success",
    "replayed": "success",
    "dead": "danger",
}
MAX_REASON_CHARACTERS = 200
# An action on more rows than this runs as one statement and writes one line to the log.
MAX_ONE_BY_ONE = 100
NO_REASON = "Nothing was changed: say why in the field for the reason."

Change = Callable[[RowIds], int]


class ActionReasonForm(ActionForm):
    reason = forms.CharField(
        label="",
        required=False,
        max_length=MAX_REASON_CHARACTERS,
        widget=TextInput(attrs={"placeholder": "Reason, where one is needed"}),
    )


class LedgerAdmin(ReadOnlyAdmin):
    """A read-only admin. Only actions change rows, and the admin's log records every action.

    ``bodies`` are the large columns by the name of their download. No page loads a whole body.
    """

    bodies: ClassVar[dict[str, Body]] = {}

    rights: ClassVar[Rights] = {"view": (SUPPORT, OPERATOR), "decide": (OPERATOR,)}
    action_form = ActionReasonForm
    # This template keeps the line breaks of logged diffs.
    object_history_template = "atoll/bus/history.html"

    class Media:
        css: ClassVar = {"all": STYLES}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        own = [body.column for body in self.bodies.values() if body.model is self.model]
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.defer(*own)

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<path:object_id>/download/{name}/",
                self.admin_site.admin_view(self.download),
                {"name": name},
                name=f"{self.opts.app_label}_{self.opts.model_name}_download_{name}",
            )
            for name in self.bodies
        ]
        return [*own, *super().get_urls()]

    def download(self, request: HttpRequest, object_id: str, name: str) -> HttpResponse:
        """Answer with at most MAX_DOWNLOAD bytes of a body. Raises Http404 or PermissionDenied."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        body = self.bodies[name]
        try:
            found = (
                self.model._default_manager.filter(pk=object_id).values_list(body.id_field, flat=True).first()
            )
        except (ValueError, ValidationError):
            found = None
        content = None if found is None else body.whole(found)
        if content is None:
            raise Http404("There is no such body.")
        answer = HttpResponse(content, content_type="application/octet-stream")
        answer["Content-Disposition"] = f'attachment; filename="{self.opts.model_name}-{object_id}-{name}"'
        answer["X-Content-Type-Options"] = "nosniff"
        return answer

    def preview(self, name: str, body_id: Any, row_id: Any) -> SafeString | str:
        """Return the start of a body with a link to the download."""
        shown, length = self.bodies[name].start(body_id)
        if not length:
            return "–"
        where = f"admin:{self.opts.app_label}_{self.opts.model_name}_download_{name}"
        more = f"The first {MAX_SHOWN:,} of {length:,}. " if length > len(shown) else ""
        return format_html(
            '{}<p class="page-quiet">{}<a href="{}">Download</a></p>',
            code(shown),
            more,
            reverse(where, args=[row_id]),
        )

    def has_decide_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.may(request, "decide")

    @admin.display(description="correlation id", ordering="correlation_id")
    def correlation(self, row: Any) -> SafeString:
        return trace_link(row.correlation_id)

    @admin.display(description="correlation id")
    def correlation_link(self, row: Any) -> SafeString:
        """Return the whole correlation id, for the row's own page."""
        return trace_link(row.correlation_id, is_whole=True)

    @admin.display(description="key", ordering="key")
    def short_key(self, row: Any) -> SafeString | str:
        return short_id(row.key, search="")

    @admin.display(description="error", ordering="error")
    def error_excerpt(self, row: Any) -> SafeString:
        return format_html('<div class="page-wide">{}</div>', Truncator(row.error).chars(80))

    @badge(description="status", ordering="status", colours=BADGE_COLOURS)
    def state(self, row: Any) -> str:
        return str(row.status)

    def act(self, request: HttpRequest, rows: QuerySet[Any], outcome: str, change: Change) -> int:
        """Apply a change to the chosen rows, log it, and show a message. Returns the number of changed rows.

        Up to MAX_ONE_BY_ONE rows are changed and logged one by one. More rows are changed in one
        statement without loading them, and the log gets one line with their number.
        """
        chosen = list(rows[: MAX_ONE_BY_ONE + 1])
        if len(chosen) <= MAX_ONE_BY_ONE:
            with transaction.atomic():
                taken = [row for row in chosen if change([row.pk])]
                for row in taken:
                    self.log_change(request, row, outcome)
            total, changed = len(chosen), len(taken)
        else:
            with transaction.atomic():
                total = rows.count()
                changed = change(rows.order_by().values("pk"))
                log_many(request, self.model, changed, outcome)
        text = ngettext("%(count)d row: %(outcome)s.", "%(count)d rows: %(outcome)s.", changed)
        level = messages.SUCCESS if changed == total else messages.WARNING
        self.message_user(request, text % {"count": changed, "outcome": outcome}, level)
        return changed

    def reason(self, request: HttpRequest) -> str:
        """Return the reason from the action form. Without a readable reason, show an error and return ""."""
        given = request.POST.get("reason", "").strip()[:MAX_REASON_CHARACTERS]
        if not given:
            self.message_user(request, NO_REASON, messages.ERROR)
        elif fault := text.fault_of(given):
            self.message_user(request, f"Nothing was changed. {fault}", messages.ERROR)
            return ""
        return given


def trace_link(correlation_id: str, *, is_whole: bool = False) -> SafeString:
    """Return a link from a correlation id to the trace of its messages, and to its journey if it is whole."""
    where = reverse("admin:atoll_bus_where")
    if not is_whole:
        return SafeString(short_id(correlation_id, search=where))
    query = urlencode({"q": correlation_id})
    link = format_html(
        '<a class="text-primary-600 dark:text-primary-500" href="{}?{}">{}</a>', where, query, correlation_id
    )
    return link + journey_link(correlation_id)


def code(text: str) -> SafeString | str:
    """Return a text with its line breaks and spaces, or a dash for an empty text."""
    return format_html('<pre class="page-code">{}</pre>', text) if text else "–"


def log_many(request: HttpRequest, model: type[Model], changed: int, outcome: str) -> None:
    """Write one line about many rows to the admin's log, or none when no row changed."""
    if not changed:
        return
    names = model._meta.verbose_name if changed == 1 else model._meta.verbose_name_plural
    LogEntry.objects.create(
        user_id=str(request.user.pk),
        content_type=ContentType.objects.get_for_model(model),
        object_id=None,
        object_repr=f"{changed:,} {names}",
        action_flag=CHANGE,
        change_message=outcome,
    )

"""The ledger for staff: find a message, see what became of it, try again or give up."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import ngettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display
from unfold.forms import ActionForm
from unfold.widgets import UnfoldAdminTextInputWidget

from atoll.admin import ReadOnlyAdmin, register_tile, short_id
from atoll.bus import recovery
from atoll.bus.models import Delivery, Inbox, Outbox, Quarantine

TONES = {
    "pending": "info",
    "running": "info",
    "waiting": "warning",
    "done": "success",
    "published": "success",
    "replayed": "success",
    "dead": "danger",
}


class ReasonForm(ActionForm):
    reason = forms.CharField(
        label="",
        required=False,
        max_length=200,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "Reason, when discarding"}),
    )


class LedgerAdmin(ReadOnlyAdmin):
    """Rows are looked at; what may be done about them is an action, and is written to the admin's log."""

    action_form = ReasonForm

    @display(description="correlation id", ordering="correlation_id")
    def correlation(self, row: Any) -> SafeString | str:
        return short_id(row.correlation_id, search="")

    @display(description="key", ordering="key")
    def short_key(self, row: Any) -> SafeString | str:
        return short_id(row.key, search="")

    @display(description="error", ordering="error")
    def what_failed(self, row: Any) -> str:
        return Truncator(row.error).chars(80)

    @display(description="status", ordering="status", label=TONES)
    def state(self, row: Any) -> str:
        return str(row.status)

    def act(
        self, request: HttpRequest, rows: QuerySet[Any], what: str, change: Callable[[list[Any]], int]
    ) -> None:
        """Apply a change to the chosen rows, tell how many it took, and log it unless that is none."""
        chosen = list(rows)
        changed = change([row.pk for row in chosen])
        for row in chosen if changed else ():
            self.log_change(request, row, what)
        text = ngettext("%(count)d row: %(what)s.", "%(count)d rows: %(what)s.", changed)
        level = messages.SUCCESS if changed == len(chosen) else messages.WARNING
        self.message_user(request, text % {"count": changed, "what": what}, level)

    def reason(self, request: HttpRequest) -> str:
        """Why something is given up; empty, with a complaint on the page, when staff did not say."""
        given = request.POST.get("reason", "").strip()[:200]
        if not given:
            self.message_user(request, "Nothing was discarded: say why in the reason field.", messages.ERROR)
        return given


@admin.register(Outbox)
class OutboxAdmin(LedgerAdmin):
    list_display = (
        "name",
        "state",
        "destination",
        "short_key",
        "correlation",
        "attempts",
        "created_at",
        "what_failed",
    )
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("created_at", RangeDateTimeFilter),
    )
    search_fields = ("message_id", "correlation_id", "name", "key", "body")
    search_help_text = "Message or correlation id, event or command, key or body"
    date_hierarchy = "created_at"
    actions = ("publish_now", "discard")

    @admin.action(description="Publish now, also if it was published before")
    def publish_now(self, request: HttpRequest, rows: QuerySet[Outbox]) -> None:
        self.act(request, rows, "will be published", recovery.send_again)

    @admin.action(description="Discard, never publish")
    def discard(self, request: HttpRequest, rows: QuerySet[Outbox]) -> None:
        if reason := self.reason(request):
            self.act(
                request, rows, f"discarded: {reason}", lambda ids: recovery.discard_outgoing(ids, reason)
            )


@admin.register(Inbox)
class InboxAdmin(LedgerAdmin):
    list_display = ("name", "kind", "service_id", "short_key", "correlation", "sent_at", "received_at")
    list_filter = (("kind", ChoicesDropdownFilter), ("received_at", RangeDateTimeFilter))
    search_fields = ("message_id", "correlation_id", "name", "key", "service_id", "body")
    search_help_text = "Message or correlation id, event or command, key, sender or body"
    date_hierarchy = "received_at"


@admin.register(Delivery)
class DeliveryAdmin(LedgerAdmin):
    list_display = (
        "message_name",
        "state",
        "function",
        "attempts",
        "correlation",
        "next_attempt",
        "finished_at",
        "what_failed",
    )
    list_filter = (("status", ChoicesDropdownFilter), ("created_at", RangeDateTimeFilter))
    list_select_related = ("message",)
    search_fields = (
        "message__message_id",
        "message__correlation_id",
        "message__name",
        "handler",
        "token",
        "error",
    )
    search_help_text = "Message or correlation id, event or command, handler, timer or error"
    date_hierarchy = "created_at"
    actions = ("replay", "discard")

    @display(description="message", ordering="message__name")
    def message_name(self, row: Delivery) -> str:
        return row.message.name

    @display(description="handler", ordering="handler")
    def function(self, row: Delivery) -> SafeString:
        """All handlers of a service live in one module; its name would fill the list."""
        name = row.handler.rpartition(".")[2]
        return format_html('<span class="whitespace-nowrap" title="{}">{}</span>', row.handler, name)

    @display(description="correlation id", ordering="message__correlation_id")
    def correlation(self, row: Delivery) -> SafeString | str:
        return short_id(row.message.correlation_id, search="")

    @display(description="next attempt at", ordering="next_attempt_at")
    def next_attempt(self, row: Delivery) -> Any:
        """Only while there will be one."""
        return None if row.finished_at else row.next_attempt_at

    @admin.action(description="Replay dead and discarded deliveries")
    def replay(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        self.act(request, rows, "will run again", recovery.replay_deliveries)

    @admin.action(description="Discard, never run again")
    def discard(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        if reason := self.reason(request):
            self.act(
                request, rows, f"discarded: {reason}", lambda ids: recovery.discard_deliveries(ids, reason)
            )


@admin.register(Quarantine)
class QuarantineAdmin(LedgerAdmin):
    list_display = ("queue", "state", "routing_key", "reason_shown", "size", "received_at", "note")
    list_filter = (("status", ChoicesDropdownFilter), ("received_at", RangeDateTimeFilter))
    search_fields = ("queue", "routing_key", "reason", "digest")
    search_help_text = "Queue, routing key, reason or digest"
    date_hierarchy = "received_at"
    exclude = ("body",)
    readonly_fields = ("text",)
    actions = ("replay", "discard")

    @display(description="reason", ordering="reason")
    def reason_shown(self, row: Quarantine) -> str:
        return row.reason

    @display(description="bytes")
    def size(self, row: Quarantine) -> int:
        return len(row.body)

    @display(description="body")
    def text(self, row: Quarantine) -> str:
        """The bytes as text, the first few thousand; what is no UTF-8 is shown escaped."""
        return bytes(row.body[:4000]).decode(errors="backslashreplace")

    @admin.action(description="Read again and deliver")
    def replay(self, request: HttpRequest, rows: QuerySet[Quarantine]) -> None:
        self.act(
            request, rows, "delivered", lambda ids: sum(recovery.replay_quarantined(row) for row in rows)
        )

    @admin.action(description="Discard")
    def discard(self, request: HttpRequest, rows: QuerySet[Quarantine]) -> None:
        if reason := self.reason(request):
            self.act(
                request, rows, f"discarded: {reason}", lambda ids: recovery.discard_quarantined(ids, reason)
            )


def _count(model: type[Model], status: str) -> Callable[[], int]:
    return lambda: model._default_manager.filter(status=status).count()


register_tile(
    "Dead letters",
    _count(Delivery, "dead"),
    url_name="admin:atoll_bus_delivery_changelist",
    query="status__exact=dead",
    alarming=True,
)
register_tile(
    "Quarantine",
    _count(Quarantine, "waiting"),
    url_name="admin:atoll_bus_quarantine_changelist",
    query="status__exact=waiting",
    alarming=True,
)
register_tile(
    "Messages to publish",
    _count(Outbox, "pending"),
    url_name="admin:atoll_bus_outbox_changelist",
    query="status__exact=pending",
)

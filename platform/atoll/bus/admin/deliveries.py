"""The admin of deliveries: the outcome of each, with replay, edit and discard."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from atoll.admin.confirming import asks_first
from atoll.admin.pages import page_urls_of
from atoll.bus.admin import decisions
from atoll.bus.admin.decisions import Question
from atoll.bus.admin.editing import edit_and_replay
from atoll.bus.admin.large_bodies import Body
from atoll.bus.admin.ledger import LedgerAdmin, code, trace_link
from atoll.bus.admin.look import DANGER, ChoicesFilter, TimeFilter, action
from atoll.bus.models import Delivery, Inbox
from atoll.bus.operations import recovery

DISCARDABLE = (Delivery.Status.DEAD, Delivery.Status.PENDING)


def short_handler_name(name: str) -> SafeString:
    """Return the function's name; the tooltip shows the whole dotted name, which would fill the page."""
    return format_html('<span class="whitespace-nowrap" title="{}">{}</span>', name, name.rpartition(".")[2])


@admin.register(Delivery)
class DeliveryAdmin(LedgerAdmin):
    bodies: ClassVar = {
        "body": Body(Inbox, "body", id_field="message_id"),
        "edited_body": Body(Delivery, "edited_body"),
    }
    list_display = (
        "message_name",
        "state",
        "function",
        "attempts",
        "correlation",
        "next_or_end",
        "error_excerpt",
    )
    list_filter = (("status", ChoicesFilter), ("created_at", TimeFilter))
    list_select_related = ("message",)
    # Ids begin with the creation time and have an index.
    ordering = ("-id",)
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
    actions_detail = ("replay_this", "edit_this", "discard_this")
    fieldsets = (
        (None, {"fields": ("message", "handler", "state", "attempts", "correlation_link")}),
        ("Failure", {"fields": ("error", "error_group", "formatted_traceback")}),
        ("Body", {"fields": ("body", "edited")}),
        ("Time", {"fields": ("created_at", "next_attempt", "claimed_at", "finished_at")}),
        ("Order and timers", {"fields": ("lane", "position", "token", "hint_at", "hints", "session")}),
    )
    readonly_fields = ("state", "correlation_link", "next_attempt", "formatted_traceback", "body", "edited")

    def get_urls(self) -> list[URLPattern]:
        """With the bus's pages, where the site does not serve them: ``delivery/overview/``."""
        if getattr(self.admin_site, "serves_pages", False):
            return super().get_urls()
        return [*page_urls_of(self.opts.app_label, self.admin_site.admin_view), *super().get_urls()]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        rows = super().get_queryset(request).select_related("message")
        return rows.defer("message__body", "edited_body", "traceback")

    @admin.display(description="message", ordering="message__name")
    def message_name(self, row: Delivery) -> str:
        return row.message.name

    @admin.display(description="traceback")
    def formatted_traceback(self, row: Delivery) -> SafeString | str:
        return code(row.traceback)

    @admin.display(description="as it arrived")
    def body(self, row: Delivery) -> SafeString | str:
        return self.preview("body", row.message_id, row.pk)

    @admin.display(description="as it was edited")
    def edited(self, row: Delivery) -> SafeString | str:
        """Return the start of the body that runs instead of the received body."""
        return self.preview("edited_body", row.pk, row.pk)

    @admin.display(description="handler", ordering="handler")
    def function(self, row: Delivery) -> SafeString:
        return short_handler_name(row.handler)

    @admin.display(description="correlation id", ordering="message__correlation_id")
    def correlation(self, row: Delivery) -> SafeString:
        return trace_link(row.message.correlation_id)

    @admin.display(description="correlation id")
    def correlation_link(self, row: Delivery) -> SafeString:
        return trace_link(row.message.correlation_id, is_whole=True)

    @admin.display(description="next attempt at", ordering="next_attempt_at")
    def next_attempt(self, row: Delivery) -> Any:
        """Return the time of the next attempt, or None for a finished delivery."""
        return None if row.finished_at else row.next_attempt_at

    @admin.display(description="next attempt or end")
    def next_or_end(self, row: Delivery) -> Any:
        return row.finished_at or row.next_attempt_at

    def has_edit_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Only administrators: a changed message can move money."""
        return self.may(request, "edit")

    @admin.action(description="Replay dead and discarded deliveries", permissions=["decide"])
    def replay(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        self.act(request, rows, "will run again", recovery.replay_deliveries)

    @admin.action(description="Discard, never run again", permissions=["decide"])
    def discard(self, request: HttpRequest, rows: QuerySet[Delivery]) -> HttpResponse | None:
        answer: HttpResponse | None = self.discard_chosen(request, rows) if self.reason(request) else None
        return answer

    @asks_first(
        warning="These deliveries never run again. The deliveries behind them in their lanes go on.",
        button="Discard deliveries",
    )
    def discard_chosen(self, request: HttpRequest, rows: QuerySet[Delivery]) -> None:
        self._discard(request, rows, self.reason(request))

    def affected(self, rows: QuerySet[Delivery]) -> list[str]:
        dead = rows.filter(status=Delivery.Status.DEAD).count()
        pending = rows.filter(status=Delivery.Status.PENDING).count()
        return [
            f"Dead letters: {dead:,}. Deliveries that would run still: {pending:,}. Others stay as they are."
        ]

    @action(description="Replay…", permissions=["decide"], url_path="replay", icon="replay")
    def replay_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        rows, _row, question = self._about(request, object_id)
        return decisions.ask(
            request,
            Question(
                title="Replay a delivery",
                warning="This delivery runs again with all its attempts, from now.",
                button="Replay",
                **question,
            ),
            lambda _: self.act(request, rows, "will run again", recovery.replay_deliveries),
        )

    @action(description="Edit and replay…", permissions=["edit"], url_path="edit", icon="edit")
    def edit_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        _rows, row, question = self._about(request, object_id)
        return edit_and_replay(self, request, row, **question)

    @action(
        description="Discard…",
        permissions=["decide"],
        url_path="discard",
        icon="delete",
        variant=DANGER,
    )
    def discard_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        rows, _row, question = self._about(request, object_id)
        return decisions.ask(
            request,
            Question(
                title="Discard a delivery",
                warning="This delivery never runs again. The deliveries behind it in its lane go on.",
                button="Discard",
                needs_reason=True,
                **question,
            ),
            lambda reason: self._discard(request, rows, reason),
        )

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Offer only the actions that can change the row in its current status."""
        row = self.get_object(request, object_id)
        status = row.status if row else ""
        hidden = set()
        if status not in recovery.REPLAYABLE:
            hidden |= {"replay_this", "edit_this"}
        if status not in DISCARDABLE:
            hidden.add("discard_this")
        offered = super().get_actions_detail(request, object_id)
        return [one for one in offered if one.action_name.rpartition("_delivery_")[2] not in hidden]

    def _discard(self, request: HttpRequest, rows: QuerySet[Delivery], reason: str) -> None:
        self.act(request, rows, f"discarded: {reason}", lambda ids: recovery.discard_deliveries(ids, reason))

    def _about(
        self, request: HttpRequest, object_id: str
    ) -> tuple[QuerySet[Delivery], Delivery, dict[str, Any]]:
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404("There is no delivery of that id.")
        back_to = reverse("admin:atoll_bus_delivery_change", args=[row.pk])
        return Delivery.objects.filter(pk=row.pk), row, {"facts": facts(row), "back_to": back_to}


def facts(row: Delivery) -> list[tuple[str, Any]]:
    rows = [
        ("Message", row.message.name),
        ("Handler", row.handler),
        ("Status", row.status),
        ("Error", row.error),
        ("Correlation id", trace_link(row.message.correlation_id, is_whole=True)),
        ("Message id", row.message.message_id),
    ]
    return [*rows, ("Lane", row.lane)] if row.lane else rows

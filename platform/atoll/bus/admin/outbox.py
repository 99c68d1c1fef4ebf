"""The admin of the messages that this service published or will publish."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from atoll.admin.confirming import asks_first
from atoll.bus.admin.large_bodies import Body
from atoll.bus.admin.ledger import LedgerAdmin
from atoll.bus.admin.look import ChoicesFilter, TimeFilter
from atoll.bus.models import Outbox
from atoll.bus.operations import recovery


@admin.register(Outbox)
class OutboxAdmin(LedgerAdmin):
    bodies: ClassVar = {"body": Body(Outbox, "body")}
    list_display = (
        "name",
        "state",
        "destination",
        "short_key",
        "correlation",
        "attempts",
        "created_at",
        "error_excerpt",
    )
    list_filter = (
        ("status", ChoicesFilter),
        ("kind", ChoicesFilter),
        ("created_at", TimeFilter),
    )
    search_fields = ("message_id", "correlation_id", "name", "key", "body")
    search_help_text = "Message or correlation id, event or command, key or body"
    date_hierarchy = "created_at"
    exclude = ("body", "correlation_id")
    readonly_fields = ("correlation_link", "text")
    actions = ("publish_now", "discard")

    @admin.display(description="body")
    def text(self, row: Outbox) -> SafeString | str:
        return self.preview("body", row.pk, row.pk)

    @admin.action(description="Publish now, also if it was published before", permissions=["decide"])
    def publish_now(self, request: HttpRequest, rows: QuerySet[Outbox]) -> None:
        self.act(request, rows, "will be published", recovery.publish_again)

    @admin.action(description="Discard, never publish", permissions=["decide"])
    def discard(self, request: HttpRequest, rows: QuerySet[Outbox]) -> HttpResponse | None:
        answer: HttpResponse | None = self.discard_chosen(request, rows) if self.reason(request) else None
        return answer

    @asks_first(
        warning="These messages are never published: no service gets them. The changes that they tell stay.",
        button="Discard messages",
    )
    def discard_chosen(self, request: HttpRequest, rows: QuerySet[Outbox]) -> None:
        reason = self.reason(request)
        self.act(request, rows, f"discarded: {reason}", lambda ids: recovery.discard_outbox_rows(ids, reason))

    def affected(self, rows: QuerySet[Outbox]) -> list[str]:
        pending = rows.filter(status=Outbox.Status.PENDING).count()
        return [f"Messages that wait to be published: {pending:,}. Others stay as they are."]

"""The admin of received messages."""

from typing import ClassVar

from django.contrib import admin
from django.utils.safestring import SafeString

from atoll.bus.admin.large_bodies import Body
from atoll.bus.admin.ledger import LedgerAdmin
from atoll.bus.admin.look import ChoicesFilter, TimeFilter
from atoll.bus.models import Inbox


@admin.register(Inbox)
class InboxAdmin(LedgerAdmin):
    bodies: ClassVar = {"body": Body(Inbox, "body")}
    list_display = ("name", "kind", "service_id", "short_key", "correlation", "sent_at", "received_at")
    list_filter = (("kind", ChoicesFilter), ("received_at", TimeFilter))
    search_fields = ("message_id", "correlation_id", "name", "key", "service_id", "body")
    search_help_text = "Message or correlation id, event or command, key, sender or body"
    date_hierarchy = "received_at"
    exclude = ("body", "correlation_id")
    readonly_fields = ("correlation_link", "text")

    @admin.display(description="body")
    def text(self, row: Inbox) -> SafeString | str:
        return self.preview("body", row.pk, row.pk)

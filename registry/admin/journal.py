"""The journal of the registry, newest entry first, read-only."""

from typing import ClassVar

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display

from atoll.admin import ReadOnlyAdmin
from atoll.identity.rights import Rights
from atoll.identity.roles import OPERATOR, SUPPORT
from registry.models import JournalEntry

Kind = JournalEntry.Kind
BADGE_COLOURS = {
    Kind.REGISTERED: "success",
    Kind.RECOVERED: "success",
    Kind.UNDRAINED: "success",
    Kind.REPLACED: "info",
    Kind.DEREGISTERED: "info",
    Kind.CREDENTIAL_ISSUED: "info",
    Kind.DRAINED: "warning",
    Kind.EXTENDED: "warning",
    Kind.CREDENTIAL_REVOKED: "warning",
    Kind.EXPIRED: "danger",
    Kind.KEPT: "danger",
    Kind.FORGOTTEN: "danger",
    Kind.REFUSED: "danger",
}


@admin.register(JournalEntry)
class JournalEntryAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, OPERATOR)}
    list_display = ("at", "what", "service", "instance_id", "actor")
    list_filter = (("kind", ChoicesDropdownFilter), ("at", RangeDateTimeFilter), "service")
    search_fields = ("service", "instance_id", "actor")
    search_help_text = "Service, instance or who did it"
    date_hierarchy = "at"
    fields = ("at", "kind", "service", "instance_id", "actor", "details")

    @display(description="event", ordering="kind", label=BADGE_COLOURS)
    def what(self, entry: JournalEntry) -> tuple[str, str]:
        return entry.kind, entry.get_kind_display()

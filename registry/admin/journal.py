"""The journal of the registry, newest entry first, read-only."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from atoll.admin import ReadOnlyAdmin, actors
from atoll.admin.badges import badge
from atoll.admin.times import TimeFilter
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
    Kind.LOG_LEVEL_SET: "info",
    Kind.LOG_LEVEL_ENDED: "info",
    Kind.PROCESS_STARTED: "success",
    Kind.PROCESS_RESTARTED: "warning",
    Kind.PROCESS_STOPPED: "warning",
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
    list_display = ("at", "what", "service", "instance_id", "by")
    list_filter = (("kind", ChoicesDropdownFilter), ("at", TimeFilter), "service")
    search_fields = ("service", "instance_id", "actor")
    search_help_text = "Service, instance or who did it"
    date_hierarchy = "at"
    fields = ("at", "kind", "service", "instance_id", "by", "actor", "details")

    def get_queryset(self, request: HttpRequest) -> QuerySet[JournalEntry]:
        return actors.with_person(super().get_queryset(request))

    @display(description="by", ordering="actor")
    def by(self, entry: JournalEntry) -> str:
        return actors.shown(entry)

    @badge(description="event", ordering="kind", colours=BADGE_COLOURS)
    def what(self, entry: JournalEntry) -> tuple[str, str]:
        return entry.kind, entry.get_kind_display()

"""What happened, newest first; nobody writes here by hand."""

from typing import ClassVar

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RangeDateTimeFilter
from unfold.decorators import display

from atoll.admin import ReadOnlyAdmin
from atoll.identity.rights import Rights
from atoll.identity.roles import OPERATOR, SUPPORT
from registry.models import Event

Kind = Event.Kind
TONES = {
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


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, OPERATOR)}
    list_display = ("at", "what", "service", "instance_id", "actor")
    list_filter = (("kind", ChoicesDropdownFilter), ("at", RangeDateTimeFilter), "service")
    search_fields = ("service", "instance_id", "actor")
    search_help_text = "Service, instance or who did it"
    date_hierarchy = "at"
    fields = ("at", "kind", "service", "instance_id", "actor", "details")

    @display(description="event", ordering="kind", label=TONES)
    def what(self, event: Event) -> tuple[str, str]:
        return event.kind, event.get_kind_display()

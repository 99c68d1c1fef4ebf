"""The page of a process in Django's admin: what it has reached, its history, and one action.

@admin.register(Delivery)
class DeliveryAdmin(ProcessAdminMixin, admin.ModelAdmin):
    process = delivering
"""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from atoll.errors import Conflict
from atoll.process.manager import ProcessManager


class HistoryInline(admin.TabularInline):
    """The history, to read. ``ProcessAdminMixin`` gives it the model."""

    extra = 0
    can_delete = False
    fields = ("at", "event", "from_state", "to_state", "undoing", "reason", "actor", "is_ignored")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ProcessAdminMixin:
    """Shows a process without letting anybody edit its state; ``process`` is its manager."""

    process: ClassVar[ProcessManager[Any]]
    list_display: Any = ("__str__", "state", "needs_attention", "changed_at")
    list_filter: Any = ("needs_attention", "state")
    readonly_fields: Any = (
        "state", "reason", "needs_attention", "compensations", "timers",
        "started_at", "changed_at", "ended_at",
    )  # fmt: skip
    actions: Any = ("ask_again",)

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> list[type[HistoryInline]]:
        return [type("HistoryInline", (HistoryInline,), {"model": self.process.history})]

    @admin.action(description="Ask again for failed compensations", permissions=["change"])
    def ask_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        asked = 0
        for row in queryset.order_by("pk"):
            key = row.pk if self.process.key == "pk" else getattr(row, self.process.key)
            try:
                asked += len(self.process.ask_again(key, actor=f"staff:{request.user.pk}"))
            except Conflict as nothing:
                messages.warning(request, nothing.message)
        if asked:
            messages.success(request, f"{asked} compensations asked for again.")

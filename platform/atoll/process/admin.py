"""The page of a process in Django's admin: what it has reached, its history, and what a person may do.

@admin.register(Delivery)
class DeliveryAdmin(ProcessAdminMixin, admin.ModelAdmin):
    process = delivering
"""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.options import InlineModelAdmin
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join

from atoll.bus.admin import decisions
from atoll.bus.admin.decisions import Question
from atoll.errors import Conflict
from atoll.process.compensations import CompensationState
from atoll.process.manager import ProcessManager
from atoll.process.models import ProcessRow

if TYPE_CHECKING:
    Page = admin.ModelAdmin[Any]
else:
    Page = object


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


class ProcessAdminMixin(Page):
    """Shows a process without letting anybody edit its state; ``process`` is its manager.

    Staff who may change the row ask again for failed compensations, or settle one by hand.
    """

    process: ClassVar[ProcessManager[Any]]
    list_display: Any = ("__str__", "state", "needs_attention", "changed_at")
    list_filter: ClassVar[Any] = ("needs_attention", "state")
    readonly_fields: ClassVar[Any] = (
        "state", "reason", "needs_attention", "settle_by_hand", "compensations", "timers",
        "started_at", "changed_at", "ended_at",
    )  # fmt: skip
    actions: Any = ("ask_again",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A row that the form of the admin makes would never begin: ``ProcessManager.begin`` does that."""
        return False

    def get_inlines(self, request: HttpRequest, obj: Any = None) -> "list[type[InlineModelAdmin[Any, Any]]]":
        return [type("HistoryInline", (HistoryInline,), {"model": self.process.history})]

    @admin.action(description="Ask again for failed compensations", permissions=["change"])
    def ask_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        asked = 0
        for row in queryset.order_by("pk"):
            try:
                asked += len(self.process.ask_again(self._key(row), actor=f"staff:{request.user.pk}"))
            except Conflict as nothing:
                messages.warning(request, nothing.message)
        if asked:
            messages.success(request, f"{asked} compensations asked for again.")

    @admin.display(description="Settle by hand")
    def settle_by_hand(self, row: ProcessRow) -> str:
        """A link for each failed compensation."""
        failed = sorted(
            command for command, state in row.reached.compensations if state is CompensationState.FAILED
        )
        links = ((self._address("settle", row, command), command) for command in failed)
        return format_html_join(", ", '<a href="{}">{}…</a>', links) or self.get_empty_value_display()

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "<path:object_id>/settle/<str:command>/",
            self.admin_site.admin_view(self.settle_page),
            name=f"{self.opts.app_label}_{self.opts.model_name}_settle",
        )
        return [page, *super().get_urls()]

    def settle_page(self, request: HttpRequest, object_id: str, command: str) -> HttpResponse:
        """Ask how a failed compensation was settled, and settle it."""
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404(f"There is no {self.opts.verbose_name} {object_id}.")
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        if row.reached.of(command) is not CompensationState.FAILED:
            messages.warning(request, f"The compensation {command} has not failed.")
            return HttpResponseRedirect(self._address("change", row))
        question = Question(
            title=f"Settle {command} by hand",
            warning=f"A person has done the work of {command}. It is not sent again.",
            button="Settle",
            needs_reason=True,
            back_to=self._address("change", row),
            facts=[(str(self.opts.verbose_name).capitalize(), str(row)), ("State", row.state)],
        )
        return decisions.ask(request, question, lambda reason: self._settle(request, row, command, reason))

    def _settle(self, request: HttpRequest, row: ProcessRow, command: str, reason: str) -> None:
        try:
            self.process.settle_by_hand(
                self._key(row), command, actor=f"staff:{request.user.pk}", reason=reason
            )
        except Conflict as settled_meanwhile:
            messages.warning(request, settled_meanwhile.message)
        else:
            self.log_change(request, row, f"{command} settled by hand: {reason}")
            messages.success(request, f"The compensation {command} is settled.")

    def _key(self, row: ProcessRow) -> Any:
        return row.pk if self.process.key == "pk" else getattr(row, self.process.key)

    def _address(self, page: str, row: ProcessRow, *more: str) -> str:
        name = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{page}"
        return reverse(name, args=[quote(row.pk), *more])

"""Base classes of all admin classes."""

from typing import Any, ClassVar

from django.contrib.admin.utils import flatten_fieldsets, unquote
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin as UnfoldModelAdmin

from atoll.admin.confirming import CONFIRMED, question
from atoll.admin.guarded import GuardedAdmin
from atoll.admin.times import TimeFilter

SAVE = "save"


class ModelAdmin(GuardedAdmin, UnfoldModelAdmin):
    """Unfold's class, with filters that apply together, 50 rows a page and a warning before edits are lost.

    ``ask_before_off`` names switches of the form with their consequence (``{"enabled": "Sign-in stops."}``):
    switching one off asks first, and shows the sentences of `affected`. `GuardedAdmin` has the rest.
    """

    ask_before_off: ClassVar[dict[str, str]] = {}
    list_before_template = "atoll/admin/spans.html"
    list_after_template = "atoll/admin/exports.html"
    list_filter_submit = True
    warn_unsaved_form = True

    @property
    def media(self) -> Any:
        """Without the scripts of the list's filters. Pages beside the list lack what these scripts need."""
        return super(UnfoldModelAdmin, self).media

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        page: HttpResponse = super().changelist_view(request, extra_context)
        shown = getattr(page, "context_data", None)
        if shown and "cl" in shown:
            cl = shown["cl"]
            shown["media"] = super().media
            times = next((one for one in cl.filter_specs if isinstance(one, TimeFilter)), None)
            shown["spans"] = times.spans(cl) if times else ()
            shown["export_query"] = cl.get_query_string(remove=["p", "all"])
        return page

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method == "POST" and object_id and request.POST.get(CONFIRMED) != SAVE:
            row = self.get_object(request, unquote(object_id))
            if row is not None and self.has_change_permission(request, row):
                stopping = [name for name in self.ask_before_off if self._is_switched_off(request, row, name)]
                if stopping:
                    warning = " ".join(self.ask_before_off[name] for name in stopping)
                    return question(
                        self,
                        request,
                        answer=SAVE,
                        warning=warning,
                        button="Save",
                        named=[str(row)],
                        affected=self.affected(self.get_queryset(request).filter(pk=row.pk)),
                    )
        page: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)
        return page

    def _is_switched_off(self, request: HttpRequest, row: Any, name: str) -> bool:
        """Whether the form switches the field off. A browser sends no value for an empty box."""
        shown = flatten_fieldsets(self.get_fieldsets(request, row))
        is_editable = name in shown and name not in self.get_readonly_fields(request, row)
        return is_editable and getattr(row, name) and name not in request.POST


class ReadOnlyAdmin(ModelAdmin):
    """Staff may read, search and filter, and run the actions of the class.

    For rows that use cases change: the actions call these.
    """

    never = frozenset({"add", "change", "delete"})

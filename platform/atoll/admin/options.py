"""Bases of every admin class."""

from typing import Any, ClassVar

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin as UnfoldModelAdmin


class ModelAdmin(UnfoldModelAdmin):
    """Unfold's, with filters that apply together, 50 rows a page and a warning before edits are lost.

    ``secret_fields`` cannot be filtered by: ``?password__startswith=a`` in the address would tell
    a field that no page shows, letter by letter.
    """

    secret_fields: ClassVar[tuple[str, ...]] = ()
    list_per_page = 50
    list_filter_submit = True
    warn_unsaved_form = True
    # Counting all rows of a large table on every search is slow and tells little.
    show_full_result_count = False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        if lookup.split("__")[0] in self.secret_fields:
            return False
        return bool(super().lookup_allowed(lookup, value, request))

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Raises ValidationError, which the site answers with 400, for a selected id that none can be."""
        for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME):
            if "\0" in chosen:
                raise ValidationError("An id contains the NUL character.")
            self.opts.pk.to_python(chosen)
        answer: HttpResponse | None = super().response_action(request, queryset)
        return answer


class ReadOnlyAdmin(ModelAdmin):
    """Staff may look, search and filter, and run the actions the class names; nothing else.

    For rows whose truth is made elsewhere: state changes go through use cases, as actions.
    """

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

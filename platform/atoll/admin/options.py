"""Bases of every admin class."""

from typing import Any

from django.http import HttpRequest
from unfold.admin import ModelAdmin as UnfoldModelAdmin


class ModelAdmin(UnfoldModelAdmin):
    """Unfold's, with filters that apply together, 50 rows a page and a warning before edits are lost."""

    list_per_page = 50
    list_filter_submit = True
    warn_unsaved_form = True
    # Counting all rows of a large table on every search is slow and tells little.
    show_full_result_count = False


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

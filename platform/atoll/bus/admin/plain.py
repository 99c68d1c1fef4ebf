"""The parts of the bus's pages in Django's own admin. Nothing here imports unfold."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib.admin import ChoicesFieldListFilter as ChoicesFilter
from django.contrib.admin import DateFieldListFilter as TimeFilter
from django.contrib.admin.helpers import ActionForm
from django.contrib.admin.widgets import AdminTextareaWidget as Textarea
from django.contrib.admin.widgets import AdminTextInputWidget as TextInput
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString

from atoll import conf
from atoll.admin import badges, journeys
from atoll.admin.guarded import GuardedAdmin

DANGER = "danger"
FIELD_TEMPLATE = "atoll/bus/plain/field.html"
REFRESH = "atoll/bus/refresh.js"
STYLES = ("atoll/bus/pages.css", "atoll/bus/plain.css")

__all__ = [
    "DANGER",
    "FIELD_TEMPLATE",
    "REFRESH",
    "STYLES",
    "ActionForm",
    "ChoicesFilter",
    "ReadOnlyAdmin",
    "TextInput",
    "Textarea",
    "TimeFilter",
    "action",
    "badge",
    "journey_link",
]

badge = functools.partial(badges.badge, template="atoll/bus/plain/badge.html")


def journey_link(correlation_id: str) -> SafeString:
    """``Journey`` as a link to the console that CONSOLE_URL names; empty without one."""
    return journeys.journey_link(correlation_id) if conf.web_address("CONSOLE_URL") else SafeString("")


@dataclass(frozen=True)
class RowAction:
    """An act on one row: a button on the row's page that opens a page of its own."""

    action_name: str
    title: str
    address: str
    is_dangerous: bool


def action(
    *, description: str, permissions: Sequence[str], url_path: str, icon: str = "", variant: str = ""
) -> Callable[[Callable[..., HttpResponse]], Any]:
    """Decorate a method of an admin class as an act on one row, as unfold's decorator does.

    Django's admin has no icons.
    """

    def wrap(method: Callable[..., HttpResponse]) -> Any:
        @functools.wraps(method)
        def permitted(admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
            if not _may(admin, request, permissions):
                raise PermissionDenied
            return method(admin, request, object_id)

        made: Any = permitted
        made.title, made.permissions, made.url_path = description, permissions, url_path
        made.is_dangerous = variant == DANGER
        return made

    return wrap


def _may(admin: Any, request: HttpRequest, permissions: Sequence[str]) -> bool:
    return all(getattr(admin, f"has_{one}_permission")(request) for one in permissions)


class ReadOnlyAdmin(GuardedAdmin):
    """Staff may read, search and filter, and run the actions of the class."""

    never = frozenset({"add", "change", "delete"})
    actions_detail: ClassVar[tuple[str, ...]] = ()
    change_list_template = "atoll/bus/plain/change_list.html"
    change_form_template = "atoll/bus/plain/change_form.html"
    confirm_template = "atoll/bus/plain/confirm.html"

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                f"<path:object_id>/{getattr(self, name).url_path}/",
                self.admin_site.admin_view(getattr(self, name)),
                name=self._url_name(name),
            )
            for name in self.actions_detail
        ]
        return [*own, *super().get_urls()]

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[RowAction]:
        """The acts that the request's user may do on the row."""
        return [
            RowAction(
                action_name=self._url_name(name),
                title=method.title,
                address=reverse(f"{self.admin_site.name}:{self._url_name(name)}", args=[object_id]),
                is_dangerous=method.is_dangerous,
            )
            for name in self.actions_detail
            if _may(self, request, (method := getattr(self, name)).permissions)
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        page: HttpResponse = super().changelist_view(request, extra_context)
        shown = getattr(page, "context_data", None)
        if shown and "cl" in shown:
            shown["export_query"] = shown["cl"].get_query_string(remove=["p", "all"])
        return page

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *, obj: Any = None, **options: Any
    ) -> HttpResponse:
        shown = {"row_actions": self.get_actions_detail(request, obj.pk) if obj else []}
        page: HttpResponse = super().render_change_form(request, context | shown, obj=obj, **options)
        return page

    def _url_name(self, name: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{name}"

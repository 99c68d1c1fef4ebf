"""Base classes of all admin classes."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import flatten_fieldsets, unquote
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin as UnfoldModelAdmin

from atoll.admin import changes, export
from atoll.admin.confirming import CONFIRMED, question
from atoll.admin.lines import hold_to_the_rule
from atoll.admin.refusals import RoleNeeded
from atoll.admin.times import TimeFilter
from atoll.identity import rights
from atoll.identity.rights import Rights

MAX_SEARCH_CHARS = 256
SAVE = "save"


class ModelAdmin(UnfoldModelAdmin):
    """Unfold's class, with filters that apply together, 50 rows a page and a warning before edits are lost.

    ``secret_fields`` cannot be filters: ``?password__startswith=a`` in the address would reveal the
    field letter by letter.

    ``rights`` lists the roles for each verb; administrators have every verb, and alone those that are
    not listed. The verbs are Django's (view, add, change, delete) and those of the class's own actions.
    ``never`` lists verbs that no role has, not even an administrator. ``ask_before_off`` names switches
    of the form with their consequence (``{"enabled": "Sign-in stops."}``): switching one off asks first, and
    shows the sentences of `affected`.

    Every list can be downloaded as CSV and JSON (``atoll.admin.export``): ``also_exported`` names columns
    beside those that staff see, ``never_exported`` columns that stay out.
    """

    rights: ClassVar[Rights] = {}
    never: ClassVar[frozenset[str]] = frozenset()
    secret_fields: ClassVar[tuple[str, ...]] = ()
    ask_before_off: ClassVar[dict[str, str]] = {}
    also_exported: ClassVar[tuple[str, ...]] = ()
    never_exported: ClassVar[tuple[str, ...]] = ()
    list_before_template = "atoll/admin/spans.html"
    list_after_template = "atoll/admin/exports.html"
    list_per_page = 50
    list_filter_submit = True
    warn_unsaved_form = True
    # Counting all rows of a large table at every search is slow and of little use.
    show_full_result_count = False

    def __init__(self, model: Any, admin_site: Any) -> None:
        super().__init__(model, admin_site)
        rights.declare(self.opts.app_label, self.opts.model_name, self.rights)
        looking = {"view": self.rights.get("view", ())}
        for inline in self.inlines:
            shown = inline.model._meta
            rights.declare(shown.app_label, shown.model_name, looking, unless_declared=True)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return "add" not in self.never and bool(super().has_add_permission(request, *args))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return "change" not in self.never and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return "delete" not in self.never and bool(super().has_delete_permission(request, obj))

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        hold_to_the_rule(field, db_field)
        return field

    def affected(self, rows: QuerySet[Any]) -> Iterable[str]:
        """Sentences for the page that asks before ``rows`` stop: for whom they stop, with counts."""
        return ()

    @property
    def media(self) -> Any:
        """Without the scripts of the list's filters. Pages beside the list lack what these scripts need."""
        return super(UnfoldModelAdmin, self).media

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view(self.export_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        own = [path("export/<str:form>/", guarded, name=name)]
        return [*own, *super().get_urls()]

    def export_view(self, request: HttpRequest, form: str) -> HttpResponseBase:
        """Download the list as it is filtered in the address, or go back to a list that is too long."""
        if form not in export.FORMS:
            raise BadRequest("The list is there as csv and as json.")
        try:
            rows = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters as error:
            raise BadRequest("A filter in the address does not exist.") from error
        try:
            return export.download(self, request, rows, form)
        except export.TooManyRows:
            messages.error(request, f"Nothing was exported: {export.TOO_MANY}")
            place = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
            return HttpResponseRedirect(f"{reverse(place)}?{request.GET.urlencode()}")

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

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> Any:
        """For the history: old and new values of the fields, beside Django's own text for inline rows."""
        told = [] if add else self.changes_in_words(form)
        rest = super().construct_change_message(request, form, formsets, add)
        if not told:
            return rest
        inlines = [one for one in rest if any("name" in about for about in one.values())]
        return "; ".join(told) if not inlines else [{"changed": {"fields": told}}, *inlines]

    def changes_in_words(self, form: Any) -> list[str]:
        """One text for each field that a form changes, for the history. No text has a secret."""
        return changes.in_words(form, concealed=self.secret_fields)

    def permission(self, verb: str) -> str:
        """The name of Django's permission for ``verb`` on the rows of this class."""
        return f"{self.opts.app_label}.{verb}_{self.opts.model_name}"

    def may(self, request: HttpRequest, verb: str) -> bool:
        """Whether the roles of the request's user allow ``verb``; for ``has_VERB_permission``."""
        return bool(request.user.has_perm(self.permission(verb)))

    def require_action(self, request: HttpRequest) -> None:
        """Raises RoleNeeded when the form of the list asks for an action that is for other roles."""
        for function, name, _description in self._get_base_actions():
            if name in request.POST.getlist("action"):
                self._require_verbs(request, function)

    def _require_verbs(self, request: HttpRequest, function: Callable[..., Any]) -> None:
        for verb in getattr(function, "allowed_permissions", ()):
            if not self.may(request, verb):
                raise RoleNeeded(rights.roles_for(self.permission(verb)))

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        if lookup.split("__")[0] in self.secret_fields:
            return False
        return bool(super().lookup_allowed(lookup, value, request))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Raises ValidationError (400) for more than 256 characters: each word is a scan of its own."""
        if len(search_term) > MAX_SEARCH_CHARS:
            raise ValidationError(f"A search has at most {MAX_SEARCH_CHARS} characters.")
        found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, search_term)
        return found

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

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Raises ValidationError (400) for a selected id that is no id."""
        for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME):
            if "\0" in chosen:
                raise ValidationError("An id contains the NUL character.")
            self.opts.pk.to_python(chosen)
        answer: HttpResponse | None = super().response_action(request, queryset)
        return answer


class ReadOnlyAdmin(ModelAdmin):
    """Staff may read, search and filter, and run the actions of the class.

    For rows that use cases change: the actions call these.
    """

    never = frozenset({"add", "change", "delete"})

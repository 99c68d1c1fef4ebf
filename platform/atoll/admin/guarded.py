"""The guards of every admin class, without a look of its own: Django's admin and unfold's both take it."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse

from atoll.admin import changes, export
from atoll.admin.lines import hold_to_the_rule
from atoll.admin.refusals import RoleNeeded
from atoll.identity import rights
from atoll.identity.rights import Rights

# Without types, like unfold's class: our classes give attributes in forms that Django's types forbid.
DjangoModelAdmin: Any = admin.ModelAdmin

MAX_SEARCH_CHARS = 256


def base_actions(admin: Any) -> list[tuple[Callable[..., Any], str]]:
    """The function and the name of each action of a list, whoever may use it."""
    # Django 6.1 has objects in place of tuples.
    return [
        (one.func, one.name) if hasattr(one, "func") else tuple(one[:2]) for one in admin._get_base_actions()
    ]


class GuardedAdmin(DjangoModelAdmin):
    """Django's class with rights, downloads of lists, and refusals of addresses that were edited by hand.

    ``secret_fields`` cannot be filters: ``?password__startswith=a`` in the address would reveal the
    field letter by letter.

    ``rights`` lists the roles for each verb; administrators have every verb, and alone those that are
    not listed. The verbs are Django's (view, add, change, delete) and those of the class's own actions.
    ``never`` lists verbs that no role has, not even an administrator.

    Every list can be downloaded as CSV and JSON (``atoll.admin.export``): ``also_exported`` names columns
    beside those that staff see, ``never_exported`` columns that stay out.
    """

    rights: ClassVar[Rights] = {}
    never: ClassVar[frozenset[str]] = frozenset()
    secret_fields: ClassVar[tuple[str, ...]] = ()
    also_exported: ClassVar[tuple[str, ...]] = ()
    never_exported: ClassVar[tuple[str, ...]] = ()
    confirm_template = "atoll/admin/confirm.html"
    list_per_page = 50
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

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view(self.export_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        own = [path("export/<str:form>/", guarded, name=name)]
        return [*own, *super().get_urls()]

    def export_view(self, request: HttpRequest, form: str) -> HttpResponseBase:
        """Download the list as it is filtered in the address, or go back to a list that is too long."""
        if form not in export.FORMS:
            raise BadRequest("The list is there as csv and as json.")
        if not self.has_view_permission(request):
            raise PermissionDenied
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
        for function, name in base_actions(self):
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
        """Raises BadRequest for more than 256 characters: each word is a scan of its own."""
        if len(search_term) > MAX_SEARCH_CHARS:
            raise BadRequest(f"A search has at most {MAX_SEARCH_CHARS} characters.")
        found: tuple[QuerySet[Any], bool] = super().get_search_results(request, queryset, search_term)
        return found

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, *args: Any, **options: Any
    ) -> Any:
        # Django 6.1 would tell a reader who posts a form whether the row exists.
        if request.method == "POST" and object_id and not self.has_change_permission(request):
            raise PermissionDenied
        return super().changeform_view(request, object_id, *args, **options)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], **options: Any) -> Any:
        """Raises BadRequest for a selected id that is no id."""
        for chosen in request.POST.getlist(ACTION_CHECKBOX_NAME):
            try:
                self.opts.pk.to_python(chosen)
            except ValidationError as error:
                raise BadRequest("The selection names something that cannot exist.") from error
            if "\0" in chosen:
                raise BadRequest("An id contains the NUL character.")
        return super().response_action(request, queryset, **options)

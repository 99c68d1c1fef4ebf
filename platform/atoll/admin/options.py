"""Base classes of all admin classes."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import flatten_fieldsets, unquote
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin as UnfoldModelAdmin

from atoll.admin.confirming import CONFIRMED, question
from atoll.admin.lines import hold_to_the_rule
from atoll.admin.refusals import RoleNeeded
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
    of the form with their consequence (``{"enabled": "Sign-in stops."}``): switching one off asks first.
    """

    rights: ClassVar[Rights] = {}
    never: ClassVar[frozenset[str]] = frozenset()
    secret_fields: ClassVar[tuple[str, ...]] = ()
    ask_before_off: ClassVar[dict[str, str]] = {}
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
                        self, request, answer=SAVE, warning=warning, button="Save", named=[str(row)]
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

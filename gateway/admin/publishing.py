"""A save of a row changes the draft. "Save and publish" publishes it when nothing else waits."""

from typing import Any, ClassVar

from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.decorators import action

from atoll.admin import ModelAdmin
from atoll.identity.rights import Rights
from atoll.identity.roles import OPERATOR, SUPPORT
from gateway.audit import name_of
from gateway.draft import wording
from gateway.edge.routes import snapshot
from gateway.usecases.publish import check_draft, draft, publish

METHOD_CHOICES = [(method, method) for method in snapshot.METHODS]
PUBLISH = "_publish"
REVIEW_FIRST = "Other changes wait, too. Look at all of them before you publish."


class PublishingAdmin(ModelAdmin):
    """Saves and deletes change the draft. A draft that is not valid as a whole undoes the edit.

    ``at_once`` names sections of the table that are published with each save of a row, whatever else
    waits: a key that is withdrawn must stop at once.
    """

    rights: ClassVar[Rights] = {
        "view": (SUPPORT, OPERATOR),
        "add": (OPERATOR,),
        "change": (OPERATOR,),
        "delete": (OPERATOR,),
    }
    at_once: ClassVar[tuple[str, ...]] = ()
    actions_submit_line: ClassVar[tuple[str, ...]] = ("save_and_publish",)

    @action(description="Save and publish", permissions=["change"], attrs={"name": PUBLISH})
    def save_and_publish(self, request: HttpRequest, obj: Any) -> None:
        """Only the button: `changeform_view` publishes, after the inline rows are saved, too."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        shown = {"actions_submit_line": self.get_actions_submit_line(request, 0), **(extra_context or {})}
        was_clean = PUBLISH in request.POST and not draft().changes()
        try:
            with transaction.atomic():
                page: HttpResponse = super().changeform_view(request, object_id, form_url, shown)
                is_saved = request.method == "POST" and page.status_code == 302
                return self._publish_too(request, was_clean) if is_saved and PUBLISH in request.POST else page
        except snapshot.InvalidConfiguration as error:
            self.message_user(request, f"Nothing was changed. {error}", messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        self.keep_valid(request)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with transaction.atomic():
            super().delete_model(request, obj)
            self.keep_valid(request)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            super().delete_queryset(request, queryset)
            self.keep_valid(request)

    def keep_valid(self, request: HttpRequest) -> None:
        """Raises InvalidConfiguration when the change spoils the draft. Call it in a transaction."""
        check_draft()
        if self.at_once:
            publication = publish(name_of(request.user), "", only=self.at_once)
            self.message_user(request, f"Published as version {publication.version}.", messages.SUCCESS)

    def changes_in_words(self, form: Any) -> list[str]:
        """In the words of the publications, with units."""
        return [
            wording.change(name, form.initial.get(name), form.cleaned_data.get(name))
            for name in form.changed_data
            if name in form.cleaned_data and name not in self.secret_fields and hasattr(form.instance, name)
        ]

    def _publish_too(self, request: HttpRequest, was_clean: bool) -> HttpResponse:
        if not was_clean:
            self.message_user(request, REVIEW_FIRST, messages.WARNING)
            return HttpResponseRedirect(reverse("admin:gateway_review"))
        found = draft()
        told = "; ".join(change.text for change in found.changes())
        publication = publish(name_of(request.user), f"Saved and published: {told}"[:500])
        self.message_user(request, f"Published as version {publication.version}.", messages.SUCCESS)
        return HttpResponseRedirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"))

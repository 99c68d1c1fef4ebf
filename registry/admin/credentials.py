"""Issues and revokes the secrets of services. Only for administrators: its holder can act as the service."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from atoll.admin import ModelAdmin
from atoll.admin.badges import badge
from atoll.admin.confirming import asks_first
from atoll.admin.times import TimeFilter
from atoll.errors import InvalidInput
from atoll.identity.rights import Rights
from atoll.identity.roles import OPERATOR, SUPPORT
from registry.admin.affected import of_credentials
from registry.models import Credential
from registry.usecases.credentials import OWNER_NAME, check_brought, check_free, ensure, issue, revoke

MAX_SECRET_CHARACTERS = 512
BADGE_COLOURS = {"active": "success", "revoked": "danger"}


class IssueForm(forms.ModelForm):
    secret = forms.CharField(
        required=False,
        strip=True,
        max_length=MAX_SECRET_CHARACTERS,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="A secret that the service has already, such as its credential at users. "
        "Left empty, a new one is made.",
    )

    class Meta:
        model = Credential
        fields = ("service", "label")
        widgets = {"service": UnfoldAdminTextInputWidget, "label": UnfoldAdminTextInputWidget}
        help_texts = {
            "service": "Its name on the wire, like order-service. It may register that name and its worker.",
            "label": "Where the secret will live, so that you know it when you revoke it.",
        }

    def clean_service(self) -> str:
        service = str(self.cleaned_data["service"])
        if not OWNER_NAME.fullmatch(service):
            raise forms.ValidationError("Lower-case letters, digits and dashes, starting with a letter.")
        return service

    def clean_secret(self) -> str:
        secret = str(self.cleaned_data["secret"])
        if secret:
            try:
                check_brought(secret)
                check_free(secret)
            except InvalidInput as refusal:
                raise forms.ValidationError(refusal.message) from refusal
        return secret


@admin.register(Credential)
class CredentialAdmin(ModelAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, OPERATOR)}
    never = frozenset({"change", "delete"})
    form = IssueForm
    secret_fields = ("digest",)
    list_display = ("service", "label", "state", "created_at", "created_by", "last_used_at")
    list_filter = ("service", "revoked_at", ("created_at", TimeFilter))
    search_fields = ("service", "label", "created_by")
    search_help_text = "Service, label or who made it"
    actions = ("revoke_selected",)

    def affected(self, rows: QuerySet[Credential]) -> list[str]:
        return of_credentials(rows)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "revoke")

    @badge(description="state", colours=BADGE_COLOURS)
    def state(self, credential: Credential) -> str:
        return "revoked" if credential.revoked_at else "active"

    def save_model(self, request: HttpRequest, obj: Credential, form: Any, change: bool) -> None:
        actor, brought = f"staff:{request.user.get_username()}", form.cleaned_data["secret"]
        if brought:
            made, secret = ensure(obj.service, brought, label=obj.label, actor=actor)[0], None
        else:
            made, secret = issue(obj.service, label=obj.label, actor=actor)
        obj.pk = made.pk
        obj.refresh_from_db()
        request.issued_secret = secret  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: Credential, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show a new secret in this answer only: without redirect, message or cache. A secret that the
        person brought is never shown."""
        if request.issued_secret is None:  # type: ignore[attr-defined]
            messages.success(request, f"{obj.service} may use the secret that you gave.")
            return HttpResponseRedirect(reverse("admin:registry_credential_changelist"))
        page = {
            **self.admin_site.each_context(request),
            "title": f"Credential of {obj.service}",
            "opts": self.opts,
            "credential": obj,
            "secret": request.issued_secret,  # type: ignore[attr-defined]
            "back_to": reverse("admin:registry_credential_changelist"),
        }
        headers = {"Cache-Control": "no-store"}
        return TemplateResponse(request, "registry/admin/secret.html", page, headers=headers)

    @admin.action(description="Revoke…", permissions=["revoke"])
    @asks_first(
        warning=(
            "A process that uses one of these secrets can no longer register or renew its lease: it is out "
            "of traffic 60 seconds after its last heartbeat. This cannot be taken back."
        ),
        button="Revoke credentials",
    )
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[Credential]) -> None:
        actor = f"staff:{request.user.get_username()}"
        revoked = sum(revoke(credential, actor=actor) for credential in queryset)
        messages.success(
            request,
            f"{revoked} revoked. A process that still uses one stays in traffic until its lease runs out, "
            "60 seconds after its last heartbeat.",
        )

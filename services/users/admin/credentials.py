"""The admin pages of service credentials."""

import re
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db.models import QuerySet
from django.forms import CharField, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.timesince import timesince
from unfold.widgets import UnfoldAdminPasswordWidget

from atoll.admin import ModelAdmin
from atoll.admin.confirming import asks_first
from atoll.identity.rights import Rights
from atoll.identity.roles import SUPPORT
from atoll.identity.tokens import SERVICE_NAME
from services.users.credentials import MIN_SECRET_CHARS
from services.users.models import ServiceCredential
from services.users.usecases.issue_credential import issue_credential, store_credential
from services.users.usecases.withdraw_credential import withdraw_credential

MAX_SECRET_CHARS = 512
MIN_DIFFERENT_CHARS = 10
SECRET_PATTERN = re.compile(rf"[!-~]{{{MIN_SECRET_CHARS},}}")


class NewCredentialForm(ModelForm):
    secret = CharField(
        required=False,
        strip=True,
        max_length=MAX_SECRET_CHARS,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="A secret that the service has already, such as its credential at the registry. "
        "Without one, a new secret is made.",
    )

    class Meta:
        model = ServiceCredential
        fields = ("service",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "service" in self.fields:
            self.fields["service"].validators.append(
                RegexValidator(rf"\A{SERVICE_NAME.pattern}\Z", "Lower-case letters, digits and hyphens.")
            )

    def clean_secret(self) -> str:
        secret = str(self.cleaned_data["secret"])
        if secret and (not SECRET_PATTERN.fullmatch(secret) or len(set(secret)) < MIN_DIFFERENT_CHARS):
            raise ValidationError(
                f"Use at least {MIN_SECRET_CHARS} random letters, digits and punctuation, without spaces, "
                "as `openssl rand -hex 32` prints."
            )
        return secret


@admin.register(ServiceCredential)
class ServiceCredentialAdmin(ModelAdmin):
    """Administrators issue secrets. A page shows a new secret once; only its hash is stored."""

    rights: ClassVar[Rights] = {"view": (SUPPORT,)}
    never = frozenset({"change", "delete"})

    form = NewCredentialForm
    secret_fields = ("secret_hash",)
    list_display = ("service", "is_active", "changed_at", "last_used_at")
    list_filter = ("is_active",)
    search_fields = ("service",)
    readonly_fields = ("is_active", "created_at", "changed_at", "last_used_at")
    actions = ("issue", "withdraw")

    def get_fields(self, request: HttpRequest, obj: ServiceCredential | None = None) -> tuple[str, ...]:
        return ("service", "secret") if obj is None else ("service", *self.readonly_fields)

    def has_issue_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "issue")

    def affected(self, rows: QuerySet[ServiceCredential]) -> list[str]:
        return [_last_use(credential) for credential in rows.filter(is_active=True)]

    def save_model(self, request: HttpRequest, obj: ServiceCredential, form: Any, change: bool) -> None:
        """``response_add`` saves it, because it shows the new secret."""
        request.given_secret = form.cleaned_data.get("secret", "")  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: ServiceCredential, post_url_continue: str | None = None
    ) -> HttpResponse:
        given: str = request.given_secret  # type: ignore[attr-defined]
        if not given:
            return self._show_once(request, {obj.service: issue_credential(obj.service)})
        store_credential(obj.service, given)
        self.message_user(request, f"{obj.service} may use the secret that you gave.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:users_servicecredential_changelist"))

    @admin.action(description="Issue a new secret (the former stops working)…", permissions=["issue"])
    @asks_first(
        warning=(
            "The secret that these services have now stops working at once: they get no tokens, and cannot "
            "call others, until they are started with the new one, which the next page shows once."
        ),
        button="Issue new secrets",
    )
    def issue(self, request: HttpRequest, chosen: QuerySet[ServiceCredential]) -> HttpResponse:
        for credential in chosen:
            self.log_change(request, credential, "issued a new secret")
        return self._show_once(
            request, {credential.service: issue_credential(credential.service) for credential in chosen}
        )

    @admin.action(description="Withdraw: the service gets no more tokens…", permissions=["issue"])
    @asks_first(
        warning=(
            "These services get no more tokens, and all services refuse their present tokens within "
            "seconds: they cannot call other services any more. A new secret ends that."
        ),
        button="Withdraw credentials",
    )
    def withdraw(self, request: HttpRequest, chosen: QuerySet[ServiceCredential]) -> None:
        for credential in chosen:
            withdraw_credential(credential.service)
            self.log_change(request, credential, "withdrawn")
            self.message_user(request, f"{credential.service} gets no more tokens.", messages.WARNING)

    def _show_once(self, request: HttpRequest, secrets: dict[str, str]) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "New secrets",
            "secrets": secrets,
            "opts": self.model._meta,
        }
        return TemplateResponse(request, "users/issued_secrets.html", context)


def _last_use(credential: ServiceCredential) -> str:
    if credential.last_used_at is None:
        return f"{credential.service} has never used its secret."
    return f"{credential.service} used its secret last {timesince(credential.last_used_at)} ago."

"""The keys of all machines: when each was used, and the way to revoke it."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import action
from unfold.enums import ActionVariant

from atoll.admin import ReadOnlyAdmin
from atoll.admin.badges import badge
from atoll.admin.confirming import CONFIRMED, asks_first, question
from atoll.admin.times import TimeFilter
from atoll.identity.rights import Rights
from atoll.identity.roles import OPERATOR, SUPPORT
from gateway.admin.affected import of_keys
from gateway.audit import name_of
from gateway.callers import ApiKey
from gateway.usecases.api_keys import revoke_key

REVOKE = "revoke"
STOPS = "Within a second the gateway refuses these keys. This cannot be taken back."
STATE_COLOURS = {"in use": "success", "expired": "warning", "revoked": "danger"}


def state_of(key: ApiKey) -> str:
    if key.revoked_at is not None and key.revoked_by != "expired":
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= timezone.now() else "in use"


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, OPERATOR), REVOKE: (OPERATOR,)}
    secret_fields = ("digest",)
    list_display = (
        "key", "consumer", "label", "state", "created_at", "created_by", "expires_at", "last_used_at",
    )  # fmt: skip
    list_filter = ("consumer", "revoked_at", "expires_at", ("last_used_at", TimeFilter))
    search_fields = ("key_id", "label", "consumer__code", "consumer__name")
    search_help_text = "The eight characters after atoll_, label or consumer"
    list_select_related = ("consumer",)
    actions = ("revoke_selected",)
    actions_detail = ("revoke_this",)
    fields = (
        "key", "consumer", "label", "state", "created_at", "created_by", "expires_at", "last_used_at",
        "revoked_at", "revoked_by",
    )  # fmt: skip

    @admin.display(description="key", ordering="key_id")
    def key(self, key: ApiKey) -> str:
        return str(key)

    @badge(description="state", colours=STATE_COLOURS)
    def state(self, key: ApiKey) -> str:
        return state_of(key)

    def affected(self, rows: QuerySet[ApiKey]) -> list[str]:
        return of_keys(rows)

    def has_revoke_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.may(request, REVOKE)

    @admin.action(description="Revoke…", permissions=[REVOKE])
    @asks_first(warning=STOPS, button="Revoke keys")
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        self._revoke(request, queryset)

    @action(
        description="Revoke…",
        permissions=[REVOKE],
        url_path="revoke",
        icon="block",
        variant=ActionVariant.DANGER,
    )
    def revoke_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        chosen = self.get_queryset(request).filter(pk=object_id)
        if request.POST.get(CONFIRMED) != REVOKE:
            return question(
                self,
                request,
                answer=REVOKE,
                warning=STOPS,
                button="Revoke key",
                named=[f"{key} of {key.consumer}" for key in chosen],
                affected=self.affected(chosen),
                back_to=reverse("admin:gateway_apikey_changelist"),
            )
        self._revoke(request, chosen)
        return HttpResponseRedirect(reverse("admin:gateway_apikey_changelist"))

    def _revoke(self, request: HttpRequest, chosen: QuerySet[ApiKey]) -> None:
        for key in chosen:
            if revoke_key(key, by=name_of(request.user)):
                self.log_change(request, key, f"revoked: {key} of {key.consumer}")
                messages.success(request, f"{key} of {key.consumer} is revoked.")
            else:
                messages.info(request, f"{key} was revoked before.")

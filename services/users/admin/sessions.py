"""The admin pages of sign-ins."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest

from atoll.admin import ReadOnlyAdmin
from atoll.admin.confirming import asks_first
from atoll.admin.times import TimeFilter
from atoll.identity.rights import Rights
from atoll.identity.roles import SUPPORT
from services.users.models import RefreshFamily
from services.users.usecases.end_sessions import Because, revoke


@admin.register(RefreshFamily)
class RefreshFamilyAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT,)}
    list_display = (
        *("user", "in_browser", "created_at", "expires_at", "refreshed", "revoked_at", "revoked_because"),
    )
    list_filter = ("in_browser", "revoked_because", ("created_at", TimeFilter))
    search_fields = ("user__email", "user__id", "id")
    date_hierarchy = "created_at"
    actions = ("end",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[RefreshFamily]:
        families: QuerySet[RefreshFamily] = super().get_queryset(request)
        return families.select_related("user").annotate(issued=Count("tokens"))

    @admin.display(description="Times refreshed")
    def refreshed(self, family: RefreshFamily) -> int:
        return max(0, int(family.issued) - 1)  # type: ignore[attr-defined]

    def affected(self, rows: QuerySet[RefreshFamily]) -> list[str]:
        return [f"Sign-ins: {rows.count()}. Accounts: {rows.values('user').distinct().count()}."]

    def has_end_permission(self, request: HttpRequest) -> bool:
        return self.may(request, "end")

    @admin.action(description="End these sign-ins…", permissions=["end"])
    @asks_first(
        warning="The users of these devices must sign in again with their password.",
        button="End sign-ins",
    )
    def end(self, request: HttpRequest, families: QuerySet[RefreshFamily]) -> None:
        for family in families.filter(revoked_at=None):
            self.log_change(request, family, "ended")
        ended = revoke(RefreshFamily.objects.filter(pk__in=families.values("pk")), Because.STAFF)
        self.message_user(
            request, f"{ended} ended. Their access tokens are refused everywhere within seconds."
        )

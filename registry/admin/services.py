"""The list of services, with the health of their instances."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from unfold.decorators import display

from atoll.admin import ReadOnlyAdmin, register_tile
from atoll.admin.badges import badge
from atoll.identity.rights import Rights
from atoll.identity.roles import OPERATOR, SUPPORT
from registry import selectors
from registry.models import Instance, Service

BADGE_COLOURS = {
    "up": "success",
    "reduced": "warning",
    "last known": "danger",
    "down": "danger",
    "no instance": "info",
}
LAST_KNOWN = Q(instances__is_last_known=True, instances__lease__expires_at__lte=selectors.judged_at())
HEALTHY = Q(instances__is_drained=False, instances__lease__expires_at__gt=selectors.judged_at())


@admin.register(Service)
class ServiceAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, OPERATOR)}
    list_display = ("name", "state", "healthy_of_total", "drained", "versions", "index", "instances_link")
    search_fields = ("name",)
    search_help_text = "Service name"
    fields = ("name", "state", "healthy_of_total", "versions", "index", "created_at", "instances_link")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Service]:
        services: QuerySet[Service] = super().get_queryset(request)
        return services.annotate(
            total=Count("instances"),
            healthy=Count("instances", filter=HEALTHY),
            drained_count=Count("instances", filter=Q(instances__is_drained=True)),
            last_known=Count("instances", filter=LAST_KNOWN),
        )

    @badge(description="state", colours=BADGE_COLOURS)
    def state(self, service: Any) -> str:
        if not service.total:
            return "no instance"
        if service.last_known:
            return "last known"
        if not service.healthy:
            return "down"
        return "reduced" if service.healthy < service.total else "up"

    @display(description="healthy / total", ordering="healthy")
    def healthy_of_total(self, service: Any) -> str:
        return f"{service.healthy} / {service.total}"

    @display(description="drained", ordering="drained_count")
    def drained(self, service: Any) -> int:
        return int(service.drained_count)

    @display(description="versions")
    def versions(self, service: Service) -> str:
        found = Instance.objects.filter(service=service).values_list("metadata__version", flat=True)
        return ", ".join(sorted({str(version) for version in found if version})) or "–"

    @display(description="instances")
    def instances_link(self, service: Service) -> str:
        url = reverse("admin:registry_instance_changelist")
        return format_html('<a href="{}?service__id__exact={}">Show</a>', url, service.pk)


def _silent(*, is_last_known: bool) -> int:
    return Instance.objects.filter(
        is_last_known=is_last_known, lease__expires_at__lte=selectors.judged_at()
    ).count()


register_tile(
    "Healthy instances",
    lambda: Instance.objects.filter(is_drained=False, lease__expires_at__gt=selectors.judged_at()).count(),
    url_name="admin:registry_instance_changelist",
    query="health=healthy",
)
register_tile(
    "Unhealthy instances",
    lambda: _silent(is_last_known=False),
    url_name="admin:registry_instance_changelist",
    query="health=unhealthy",
    alarming=True,
)
register_tile(
    "Last known instances",
    lambda: _silent(is_last_known=True),
    url_name="admin:registry_instance_changelist",
    query="health=last-known",
    alarming=True,
)
register_tile(
    "Drained instances",
    lambda: Instance.objects.filter(is_drained=True).count(),
    url_name="admin:registry_instance_changelist",
    query="health=draining",
)

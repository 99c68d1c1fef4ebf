"""The list of instances, which operators drain and deregister.

Each action asks first and says its effect. No action stops a process.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import action, display
from unfold.enums import ActionVariant

from atoll.admin import ReadOnlyAdmin
from atoll.admin.badges import badge
from atoll.admin.confirming import CONFIRMED, question
from atoll.admin.times import TimeFilter
from atoll.errors import Refusal
from atoll.identity.rights import Rights
from atoll.identity.roles import OPERATOR, SUPPORT
from registry import selectors
from registry.admin.affected import of_instances
from registry.models import Instance
from registry.usecases.deregister import deregister
from registry.usecases.drain import drain, undrain

BADGE_COLOURS = {"healthy": "success", "unhealthy": "danger", "last-known": "danger", "draining": "warning"}


@dataclass(frozen=True)
class InstanceAction:
    """An action on instances: its button, the warning before it, and the message after it."""

    name: str
    button: str
    warning: str
    done: str
    run: Callable[[Instance, str], object]


def _deregister(instance: Instance, actor: str) -> None:
    deregister(instance.service.name, instance.instance_id, instance.incarnation, actor=actor)


DRAIN = InstanceAction(
    "drain",
    "Drain",
    "Callers stop sending requests within a second. The process goes on running, finishes what it "
    "has, and stays out of traffic, even if it registers again, until you undrain it.",
    "drained: it gets no new requests",
    lambda instance, actor: drain(instance, actor=actor),
)
UNDRAIN = InstanceAction(
    "undrain",
    "Undrain",
    "Callers send requests to it again as soon as it is healthy.",
    "in traffic again",
    lambda instance, actor: undrain(instance, actor=actor),
)
DEREGISTER = InstanceAction(
    "deregister",
    "Deregister",
    "This forgets the entry and does not stop the process: one that still runs is told so by its "
    "next heartbeat and registers again within 15 seconds. Use it for entries whose process is gone, "
    "such as the last known ones of a service that you have taken down; to keep a running process out "
    "of traffic, drain it.",
    "deregistered; if its process still runs, it will register again",
    _deregister,
)


class HealthFilter(admin.SimpleListFilter):
    title = "health"
    parameter_name = "health"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(status, status.replace("-", " ").capitalize()) for status in BADGE_COLOURS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Instance]) -> QuerySet[Instance]:
        now = selectors.judged_at()
        match self.value():
            case "healthy":
                return queryset.filter(is_drained=False, lease__expires_at__gt=now)
            case "draining":
                return queryset.filter(is_drained=True, lease__expires_at__gt=now)
            case "last-known":
                return queryset.filter(is_last_known=True, lease__expires_at__lte=now)
            case "unhealthy":
                return queryset.filter(is_last_known=False, lease__expires_at__lte=now)
        return queryset


@admin.register(Instance)
class InstanceAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, OPERATOR), "operate": (OPERATOR,)}
    list_display = ("instance_id", "service", "status", "place", "beat", "version", "zone", "registered_at")
    list_filter = (
        HealthFilter,
        ("service", RelatedDropdownFilter),
        "is_drained",
        ("registered_at", TimeFilter),
    )
    search_fields = ("instance_id", "service__name", "host", "metadata")
    search_help_text = "Instance, service, host or metadata"
    date_hierarchy = "registered_at"
    fieldsets = (
        (None, {"fields": ("instance_id", "service", "status", "beat", "registered_at")}),
        ("Where", {"fields": ("place", "address")}),
        ("Reported by the process", {"fields": ("metadata", "incarnation")}),
        ("Set by operators", {"fields": ("is_drained",)}),
    )
    actions = ("drain_selected", "undrain_selected", "deregister_selected")
    actions_detail = ("drain_this", "undrain_this", "deregister_this")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Instance]:
        return selectors.with_health(super().get_queryset(request))

    def has_operate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.may(request, "operate")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        is_drained = Instance.objects.filter(pk=object_id, is_drained=True).exists()
        hidden = "drain_this" if is_drained else "undrain_this"
        offered = super().get_actions_detail(request, object_id)
        return [shown for shown in offered if not shown.action_name.endswith(f"_{hidden}")]

    @badge(description="status", colours=BADGE_COLOURS)
    def status(self, instance: Instance) -> str:
        return selectors.status(instance)

    @display(description="where", ordering="host")
    def place(self, instance: Instance) -> str:
        host = f"[{instance.host}]" if ":" in instance.host else instance.host
        return f"{host}:{instance.port}" if instance.port else f"{host} (listens nowhere)"

    @display(description="last heartbeat", ordering="-lease__beat_at")
    def beat(self, instance: Any) -> str:
        return f"{instance.beat_age.total_seconds():.0f} s ago"

    @display(description="version")
    def version(self, instance: Instance) -> str:
        return str(instance.metadata.get("version", "–"))

    @display(description="zone")
    def zone(self, instance: Instance) -> str:
        return str(instance.metadata.get("zone", "–"))

    @admin.action(description="Drain…", permissions=["operate"])
    def drain_selected(self, request: HttpRequest, queryset: QuerySet[Instance]) -> HttpResponse:
        return self._ask_and_do(request, queryset, DRAIN)

    @admin.action(description="Undrain…", permissions=["operate"])
    def undrain_selected(self, request: HttpRequest, queryset: QuerySet[Instance]) -> HttpResponse:
        return self._ask_and_do(request, queryset, UNDRAIN)

    @admin.action(description="Deregister…", permissions=["operate"])
    def deregister_selected(self, request: HttpRequest, queryset: QuerySet[Instance]) -> HttpResponse:
        return self._ask_and_do(request, queryset, DEREGISTER)

    @action(description="Drain…", permissions=["operate"], url_path="drain", icon="pause_circle")
    def drain_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask_and_do(request, self._one(request, object_id), DRAIN)

    @action(description="Undrain…", permissions=["operate"], url_path="undrain", icon="play_circle")
    def undrain_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask_and_do(request, self._one(request, object_id), UNDRAIN)

    @action(
        description="Deregister…",
        permissions=["operate"],
        url_path="deregister",
        icon="delete",
        variant=ActionVariant.DANGER,
    )
    def deregister_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask_and_do(request, self._one(request, object_id), DEREGISTER)

    def _one(self, request: HttpRequest, object_id: str) -> QuerySet[Instance]:
        return self.get_queryset(request).filter(pk=object_id)

    def _ask_and_do(
        self, request: HttpRequest, instances: QuerySet[Instance], chosen_action: InstanceAction
    ) -> HttpResponse:
        """Show a page with the warning and the instances. Its button runs the action."""
        back_to = reverse("admin:registry_instance_changelist")
        chosen = list(instances)
        if request.POST.get(CONFIRMED) != chosen_action.name:
            return question(
                self,
                request,
                answer=chosen_action.name,
                warning=chosen_action.warning,
                button=chosen_action.button,
                named=[_named(instance) for instance in chosen],
                affected=() if chosen_action is UNDRAIN else of_instances(chosen),
                back_to=back_to,
            )
        for instance in chosen:
            try:
                chosen_action.run(instance, f"staff:{request.user.get_username()}")
            except Refusal as refusal:
                messages.error(request, f"{instance}: {refusal.message}")
            else:
                messages.success(request, f"{instance} is {chosen_action.done}.")
        return HttpResponseRedirect(back_to)


def _named(instance: Instance) -> str:
    return f"{instance.instance_id}, {instance.service.name}, {instance.host}:{instance.port}"

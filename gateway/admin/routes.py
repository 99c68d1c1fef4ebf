"""The list of routes: edit them, enable and disable them."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin import EmptyFieldListFilter
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.decorators import display

from atoll.admin import register_tile
from atoll.admin.confirming import asks_first
from gateway.admin.publishing import PublishingAdmin
from gateway.admin.route_form import RISKY_FIELDS, RouteForm
from gateway.edge.routes import snapshot
from gateway.known import known_services
from gateway.models import Route
from gateway.risks import risks

STOPS = (
    "Within a second the gateway answers 404 to requests for these addresses, or gives them to another "
    "route that fits. Requests that are under way finish."
)


@admin.register(Route)
class RouteAdmin(PublishingAdmin):
    form = RouteForm
    list_display = ("name", "prefix", "leads_to", "access", "verbs", "limit", "timeout", "state", "test_link")
    list_filter = (
        "enabled",
        "access",
        "service",
        "builtin",
        "shipped",
        ("insisted_by", EmptyFieldListFilter),
    )
    search_fields = ("name", "prefix", "service", "service_path")
    search_help_text = "Name, prefix, service or path"
    actions = ("enable", "disable")
    ask_before_off: ClassVar = {"enabled": STOPS}
    readonly_fields = ("insisted_by", "updated_at")
    fieldsets = (
        (None, {"fields": ("name", "prefix", "methods", "priority", "enabled")}),
        ("Leads to", {"fields": ("service", "service_path", "builtin", "insist", "insisted_by")}),
        (
            "Rules",
            {"fields": ("access", "roles", ("rate_limit", "rate_window_s"), ("timeout_s", "max_body_bytes"))},
        ),
        (None, {"fields": ("updated_at",)}),
    )

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.request = request
        return form

    def save_model(self, request: HttpRequest, obj: Route, form: Any, change: bool) -> None:
        if form.warned:
            obj.insisted_by = request.user.get_username()
        elif RISKY_FIELDS & {*form.changed_data}:
            obj.insisted_by = ""
        super().save_model(request, obj, form, change)
        if form.warned:
            self.log_change(request, obj, f"insisted: {' '.join(form.warned)}")

    @admin.display(description="leads to", ordering="service")
    def leads_to(self, route: Route) -> str:
        return f"{route.service}{route.service_path}" if route.service else f"built in: {route.builtin}"

    @admin.display(description="methods")
    def verbs(self, route: Route) -> str:
        return "all" if set(route.methods) == set(snapshot.METHODS) else ", ".join(route.methods)

    @admin.display(description="limit", ordering="rate_limit")
    def limit(self, route: Route) -> str:
        return (
            f"{route.rate_limit} / {route.rate_window_s} s".replace(" ", "\u00a0")
            if route.rate_limit
            else "none"
        )

    @admin.display(description="time-out", ordering="timeout_s")
    def timeout(self, route: Route) -> str:
        return f"{route.timeout_s:g} s"

    @display(description="state", ordering="enabled", label={"on": "success", "off": "danger"})
    def state(self, route: Route) -> str:
        return "on" if route.enabled else "off"

    @admin.display(description="try it")
    def test_link(self, route: Route) -> str:
        return format_html(
            '<a href="{}" target="_blank" rel="noopener">GET {}</a>', route.prefix, route.prefix
        )

    @admin.action(description="Enable selected routes", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Route]) -> None:
        self._switch(request, queryset, enabled=True)

    @admin.action(description="Disable selected routes", permissions=["change"])
    @asks_first(warning=STOPS, button="Disable routes")
    def disable(self, request: HttpRequest, queryset: QuerySet[Route]) -> None:
        self._switch(request, queryset, enabled=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Route], *, enabled: bool) -> None:
        """Refuses to enable a route with an open risk: its own page asks about the risk."""
        known = known_services() if enabled else ()
        for route in queryset.filter(insisted_by="") if enabled else ():
            for risk in risks(route, known):
                self.message_user(request, f"Nothing was changed. {route}: {risk.text}", messages.ERROR)
                return
        try:
            with transaction.atomic():
                queryset.update(enabled=enabled)
                self._publish(request)
        except snapshot.InvalidConfiguration as error:
            self.message_user(request, f"Nothing was changed. {error}", messages.ERROR)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """`load_routes` would create a shipped route again, so it can only be disabled."""
        return (obj is None or not obj.shipped) and super().has_delete_permission(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        shipped = queryset.filter(shipped=True).count()
        if shipped:
            self.message_user(request, f"{shipped} shipped routes were kept: disable them.", messages.WARNING)
        super().delete_queryset(request, queryset.filter(shipped=False))


register_tile(
    "Routes", lambda: Route.objects.filter(enabled=True).count(), url_name="admin:gateway_route_changelist"
)

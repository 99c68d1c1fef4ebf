"""The list of routes: edit them, enable and disable them."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin import EmptyFieldListFilter
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.http import urlencode

from atoll.admin import register_tile
from atoll.admin.badges import badge
from atoll.admin.confirming import asks_first
from gateway.admin import own_cors
from gateway.admin.affected import of_routes
from gateway.admin.host_filter import HostFilter
from gateway.admin.publishing import PublishingAdmin
from gateway.admin.route_form import RISKY_FIELDS, RouteForm
from gateway.audit import name_of
from gateway.edge.routes import snapshot
from gateway.known import known_services
from gateway.models import Route
from gateway.risks import risks

OTHER_ORIGINS = "Pages of other origins"
STOPS = (
    "Within a second of the publication the gateway answers 404 to requests for these addresses, or gives "
    "them to another route that fits. Requests that are under way finish."
)


@admin.register(Route)
class RouteAdmin(PublishingAdmin):
    form = RouteForm
    list_display = (
        "name",
        "takes",
        "leads_to",
        "access",
        "verbs",
        "limit",
        "timeout",
        "state",
        "explanation",
    )
    list_filter = (
        "enabled",
        "access",
        "service",
        HostFilter,
        "builtin",
        "shipped",
        ("insisted_by", EmptyFieldListFilter),
    )
    search_fields = ("name", "prefix", "service", "service_path")
    search_help_text = "Name, prefix, service or path"
    actions = ("enable", "disable")
    ask_before_off: ClassVar = {"enabled": STOPS}
    readonly_fields = ("insisted_by", "updated_at")
    fieldsets: ClassVar[list[tuple[str | None, dict[str, Any]]]] = [
        (None, {"fields": ("name", "enabled")}),
        ("Takes", {"fields": ("hosts", ("prefix", "match"), "methods", "header_matches", "priority")}),
        ("Leads to", {"fields": ("service", "service_path", "builtin", "insist", "insisted_by")}),
        ("Who may", {"fields": ("access", "roles", "bad_token")}),
        ("Limits", {"fields": (("rate_limit", "rate_window_s"), "limit_key", "timeout_s")}),
        ("Bodies", {"fields": (("max_body_bytes", "buffer_bytes"), ("compress", "websocket"))}),
        (OTHER_ORIGINS, {"fields": own_cors.FIELDS}),
        (None, {"fields": ("updated_at",)}),
    ]
    conditional_fields = own_cors.SHOWN_IF_OWN

    def affected(self, rows: QuerySet[Route]) -> list[str]:
        return of_routes(rows)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.request = request
        return form

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Somebody who may only look sees the rules for other origins in one line."""
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        return [
            (title, options | {"fields": ("other_origins",)} if title == OTHER_ORIGINS else options)
            for title, options in self.fieldsets
        ]

    def save_model(self, request: HttpRequest, obj: Route, form: Any, change: bool) -> None:
        if form.warned:
            obj.insisted_by = name_of(request.user)
        elif RISKY_FIELDS & {*form.changed_data}:
            obj.insisted_by = ""
        super().save_model(request, obj, form, change)
        if form.warned:
            self.log_change(request, obj, f"insisted: {' '.join(form.warned)}")

    @admin.display(description="takes", ordering="prefix")
    def takes(self, route: Route) -> str:
        path = f"{route.prefix} alone" if route.match == "exact" else route.prefix
        parts = [", ".join(route.hosts), path, *(f"{n}: {v}" for n, v in route.header_matches.items())]
        return " · ".join(filter(None, parts))

    @admin.display(description="rules")
    def other_origins(self, route: Route) -> str:
        if route.cors is None:
            return "The shared rules"
        return f"Its own, for {', '.join(route.cors.get('origins', ())) or 'no other origin'}"

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

    @badge(description="state", ordering="enabled", colours={"on": "success", "off": "danger"})
    def state(self, route: Route) -> str:
        return "on" if route.enabled else "off"

    @admin.display(description="explain")
    def explanation(self, route: Route) -> str:
        """To the page that says what a request there meets. A plain link would be refused without a token."""
        method = "GET" if "GET" in route.methods or not route.methods else route.methods[0]
        asked = urlencode({"method": method, "address": route.prefix})
        return format_html(
            '<a class="atoll-link" href="{}?{}">{} {}</a>',
            reverse("admin:gateway_explain"),
            asked,
            method,
            route.prefix,
        )

    @admin.action(description="Enable selected routes", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Route]) -> None:
        self._switch(request, queryset, enabled=True)

    @admin.action(description="Disable selected routes…", permissions=["change"])
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
                for route in queryset.exclude(enabled=enabled):
                    self.log_change(request, route, "enabled" if enabled else "disabled")
                queryset.update(enabled=enabled)
                self.keep_valid(request)
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

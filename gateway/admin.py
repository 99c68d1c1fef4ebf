"""The gateway's admin: edit routes, see what was published and what was asked.

Every save publishes the whole table in the same transaction: what does not hold
together is refused with the reason, and nothing is half changed.
"""

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import EmptyFieldListFilter
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from atoll.admin import ModelAdmin, ReadOnlyAdmin, register_tile, short_id
from atoll.admin.confirming import asks_first
from atoll.identity.rights import Rights
from atoll.identity.roles import OPERATOR, SUPPORT, TITLES
from gateway.edge.routes import snapshot
from gateway.known import known_services
from gateway.models import ONLY_ROW, CorsSettings, Publication, RequestLog, Route
from gateway.risks import REGISTRY, Risk, risks
from gateway.usecases.publish import publish

STOPS = (
    "Within a second the gateway answers 404 to requests for these addresses, or gives them to another "
    "route that fits. Requests that are under way finish."
)
METHOD_CHOICES = [(method, method) for method in snapshot.METHODS]


# A change of one of these may open what nobody was asked about.
OPENING = ("service", "service_path", "prefix", "access", "roles", "methods", "enabled")


class KnownNames(UnfoldAdminTextInputWidget):
    """A text with the names of the known services to choose from."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(attrs={"list": "known-services", "autocomplete": "off"})
        self.names = names

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        options = format_html_join("", '<option value="{}"></option>', ((one,) for one in self.names))
        typed = super().render(name, value, attrs, renderer)
        return format_html('{}<datalist id="known-services">{}</datalist>', typed, options)


class PublishingAdmin(ModelAdmin):
    """Saves and deletes publish; a table that does not hold undoes the edit."""

    rights: ClassVar[Rights] = {
        "view": (SUPPORT, OPERATOR),
        "add": (OPERATOR,),
        "change": (OPERATOR,),
        "delete": (OPERATOR,),
    }

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            with transaction.atomic():
                return super().changeform_view(request, *args, **kwargs)
        except snapshot.InvalidConfiguration as error:
            self.message_user(request, f"Nothing was changed. {error}", messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        self._publish(request)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with transaction.atomic():
            super().delete_model(request, obj)
            self._publish(request)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            super().delete_queryset(request, queryset)
            self._publish(request)

    def _publish(self, request: HttpRequest) -> None:
        publication = publish(by=request.user.get_username())
        self.message_user(request, f"Published as version {publication.version}.", messages.SUCCESS)


class RouteForm(forms.ModelForm):
    methods = forms.MultipleChoiceField(
        choices=METHOD_CHOICES, initial=snapshot.METHODS, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    roles = forms.MultipleChoiceField(
        choices=[(role, TITLES[role]) for role in snapshot.ROLES],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Where roles are asked for: who may. An administrator always may.",
    )
    insist = forms.BooleanField(
        required=False, help_text="Only after this page warned you: publish it in spite of the warning."
    )
    request: ClassVar[HttpRequest]

    class Meta:
        model = Route
        fields = "__all__"  # noqa: DJ007  # the fieldsets of the admin name them

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known = known_services()
        self.warned: list[str] = []
        if "service" in self.fields:
            self.fields["service"].widget = KnownNames(sorted(self.known - {REGISTRY}))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        settled = self.instance.insisted_by and not {*OPENING} & {*self.changed_data}
        if not settled:
            opened = Route(service=given.get("service", ""), service_path=given.get("service_path", ""))
            self._ask_about(risks(opened, self.known), insists=bool(given.get("insist")))
        return given

    def _ask_about(self, found: list[Risk], *, insists: bool) -> None:
        for risk in found:
            if risk.needs_admin and not self.request.user.has_perm("gateway.insist_route"):
                self.add_error("service", f"{risk.text} Only an administrator may insist on it.")
            elif not insists:
                self.add_error("insist", f"{risk.text} Tick this if you mean it.")
            else:
                self.warned.append(risk.text)


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
        elif {*OPENING} & {*form.changed_data}:
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
        """One that carries a risk nobody insisted on is enabled on its own page, which asks."""
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
        """A route that ships with the repository would come back: it is disabled instead."""
        return (obj is None or not obj.shipped) and super().has_delete_permission(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        shipped = queryset.filter(shipped=True).count()
        if shipped:
            self.message_user(request, f"{shipped} shipped routes were kept: disable them.", messages.WARNING)
        super().delete_queryset(request, queryset.filter(shipped=False))


class CorsForm(forms.ModelForm):
    methods = forms.MultipleChoiceField(
        choices=METHOD_CHOICES, initial=snapshot.METHODS, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    class Meta:
        model = CorsSettings
        fields = "__all__"  # noqa: DJ007  # all but the fixed id are for editing


@admin.register(CorsSettings)
class CorsSettingsAdmin(PublishingAdmin):
    never = frozenset({"delete"})
    form = CorsForm
    list_display = ("__str__", "credentials", "max_age_s")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return not CorsSettings.objects.filter(pk=ONLY_ROW).exists() and super().has_add_permission(request)


@admin.register(Publication)
class PublicationAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, OPERATOR)}
    list_display = ("version", "created_at", "by", "routes")
    list_filter = ("created_at",)
    search_fields = ("by",)
    search_help_text = "Who published"
    date_hierarchy = "created_at"

    @admin.display(description="routes")
    def routes(self, publication: Publication) -> str:
        return ", ".join(route["name"] for route in publication.document["routes"])


@admin.register(RequestLog)
class RequestLogAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, OPERATOR)}
    list_display = (
        "time",
        "asked",
        "outcome",
        "route",
        "duration",
        "client",
        "user",
        "instance",
        "retries",
        "correlation",
    )
    list_filter = ("at", "route", "method", "status", "code")
    search_fields = ("=correlation_id", "=user_id", "=client", "path")
    search_help_text = "The whole correlation id, user id or client address, or part of the path"
    date_hierarchy = "at"

    @admin.display(description="at (UTC)", ordering="id")
    def time(self, request: RequestLog) -> str:
        return f"{request.at:%m-%d %H:%M:%S}"

    @admin.display(description="request", ordering="path")
    def asked(self, request: RequestLog) -> str:
        return f"{request.method} {request.path}"

    @admin.display(description="user", ordering="user_id")
    def user(self, request: RequestLog) -> SafeString | str:
        return short_id(request.user_id, search="")

    @admin.display(description="correlation id", ordering="correlation_id")
    def correlation(self, request: RequestLog) -> SafeString | str:
        return short_id(request.correlation_id, search="")

    @display(
        description="status",
        ordering="status",
        label={"ok": "success", "refused": "warning", "failed": "danger"},
    )
    def outcome(self, request: RequestLog) -> tuple[str, int]:
        kind = "failed" if request.status >= 500 else "refused" if request.status >= 400 else "ok"
        return kind, request.status

    @admin.display(description="ms", ordering="duration_ms")
    def duration(self, request: RequestLog) -> str:
        return f"{request.duration_ms:.1f}"


def _recent_server_errors() -> int:
    """The gateway's own answers that it is not ready are what its supervisor asked to know."""
    recent = RequestLog.objects.filter(at__gte=timezone.now() - timedelta(hours=1), status__gte=500)
    return recent.exclude(path__startswith="/health").count()


register_tile(
    "Routes", lambda: Route.objects.filter(enabled=True).count(), url_name="admin:gateway_route_changelist"
)
register_tile(
    "Table version",
    lambda: getattr(Publication.objects.first(), "version", 0),
    url_name="admin:gateway_publication_changelist",
)
register_tile(
    "Server errors in the last hour",
    _recent_server_errors,
    url_name="admin:gateway_requestlog_changelist",
    query="status__gte=500",
    alarming=True,
)

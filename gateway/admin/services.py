"""The settings of services: how an instance is chosen, where the instances are, and health checks."""

from typing import Any

from django import forms
from django.contrib import admin

from gateway.admin.publishing import PublishingAdmin
from gateway.admin.route_form import KnownNames
from gateway.known import known_services
from gateway.risks import REGISTRY
from gateway.upstream_models import HedgeAfter, Service


class ServiceForm(forms.ModelForm):
    class Meta:
        model = Service
        fields = "__all__"  # noqa: DJ007  # the fieldsets of the admin name them

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "name" in self.fields:
            self.fields["name"].widget = KnownNames(sorted(known_services() - {REGISTRY}))


@admin.register(Service)
class ServiceAdmin(PublishingAdmin):
    form = ServiceForm
    list_display = ("name", "strategy", "instances", "max_in_flight", "second_request", "health_check")
    list_filter = ("strategy",)
    search_fields = ("name", "url")
    search_help_text = "Name or URL"
    fieldsets = (
        (None, {"fields": ("name", "strategy", "url", "max_in_flight")}),
        ("Second request", {"fields": (("hedge_after", "hedge_delay_ms"),)}),
        (
            "Health checks",
            {
                "fields": (
                    "health_path",
                    ("health_interval_s", "health_timeout_s"),
                    ("unhealthy_after", "healthy_after"),
                )
            },
        ),
    )

    @admin.display(description="instances", ordering="url")
    def instances(self, service: Service) -> str:
        return service.url or "registered ones"

    @admin.display(description="second request", ordering="hedge_after")
    def second_request(self, service: Service) -> str:
        if service.hedge_after == HedgeAfter.DELAY:
            return f"after {service.hedge_delay_ms:g} ms"
        return "after the p95" if service.hedge_after == HedgeAfter.P95 else "never"

    @admin.display(description="health check", ordering="health_path")
    def health_check(self, service: Service) -> str:
        if not service.health_path:
            return "none"
        return f"{service.health_path} every {service.health_interval_s:g} s"

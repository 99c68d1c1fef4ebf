"""Limits that several routes share."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from gateway.admin.publishing import PublishingAdmin
from gateway.models import Route
from gateway.upstream_models import LimitPolicy


class LimitPolicyForm(forms.ModelForm):
    routes = forms.ModelMultipleChoiceField(
        Route.objects.order_by("name"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Here it replaces the limit of the route. Without routes it does nothing.",
    )

    class Meta:
        model = LimitPolicy
        fields = "__all__"  # noqa: DJ007  # the fieldsets of the admin name them


@admin.register(LimitPolicy)
class LimitPolicyAdmin(PublishingAdmin):
    form = LimitPolicyForm
    list_display = ("name", "allows", "key", "applies_to", "where")
    list_filter = ("key", "applies_to", "routes")
    search_fields = ("name", "routes__name")
    search_help_text = "Name or route"
    fieldsets = (
        (None, {"fields": ("name", ("limit", "window_s"), ("key", "applies_to"))}),
        ("Routes", {"fields": ("routes",)}),
    )

    @admin.display(description="allows", ordering="limit")
    def allows(self, policy: LimitPolicy) -> str:
        return f"{policy.limit:,} / {policy.window_s} s".replace(" ", "\u00a0")

    @admin.display(description="routes")
    def where(self, policy: LimitPolicy) -> str:
        return ", ".join(route.name for route in policy.routes.all()) or "none"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("routes")

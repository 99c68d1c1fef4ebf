"""Aggregates: addresses that combine several services. They are checked as a whole when they are saved."""

from typing import Any

from django import forms
from django.contrib import admin
from django.forms import BaseInlineFormSet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.admin import StackedInline
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from atoll.admin.badges import badge
from atoll.identity.rights import declare
from atoll.identity.roles import TITLES
from gateway.admin.pair_lines import PairLines
from gateway.admin.publishing import PublishingAdmin
from gateway.admin.route_form import KnownNames
from gateway.aggregate_models import Aggregate, Leg
from gateway.edge.aggregation import declaration
from gateway.edge.routes import snapshot
from gateway.known import known_services
from gateway.risks import REGISTRY

# Who may edit an aggregate may edit its legs.
declare("gateway", "leg", PublishingAdmin.rights)


class AggregateForm(forms.ModelForm):
    parameters = PairLines(
        label="Parameters", help_text="One per line: userId = uuid. Types: uuid, integer, slug."
    )
    roles = forms.MultipleChoiceField(
        choices=[(role, TITLES[role]) for role in declaration.ROLES],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Who may ask for anybody's. An administrator always may.",
    )

    class Meta:
        model = Aggregate
        fields = "__all__"  # noqa: DJ007  # the fieldsets of the admin name them


class LegForm(forms.ModelForm):
    fields_ = PairLines(
        label="Fields",
        help_text="One per line: name = /pointer. name? = /pointer may be absent. Empty: the whole answer.",
        rows=6,
    )

    class Meta:
        model = Leg
        exclude = ("fields",)  # noqa: DJ006  # `fields` is also the name of a form's own attribute

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["fields_"].initial = dict(self.instance.fields)
        self.fields["service"].widget = KnownNames(sorted(known_services() - {REGISTRY}))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        self.instance.fields = declaration.pairs(given.get("fields_", self.instance.fields))
        return given


class LegForms(BaseInlineFormSet):
    def clean(self) -> None:
        """Check the aggregate with all its legs. Raises ValidationError."""
        super().clean()
        if any(form.errors for form in self.forms):
            return
        kept = [form for form in self.forms if form.has_changed() or form.instance.pk]
        legs = [form.instance for form in kept if not form.cleaned_data.get("DELETE")]
        legs.sort(key=lambda leg: leg.position)
        try:
            snapshot.read_aggregates([self.instance.document(legs)])
        except snapshot.InvalidConfiguration as error:
            raise forms.ValidationError(str(error)) from None


class LegInline(StackedInline):
    model = Leg
    form = LegForm
    formset = LegForms
    extra = 0
    verbose_name = "leg"
    fieldsets = (
        (None, {"fields": (("name", "position"), ("service", "path"), "fields_")}),
        ("When it fails", {"fields": (("if_failed", "timeout_s"), ("missing_title", "missing_code"))}),
        (None, {"fields": ("missing_message",)}),
    )


@admin.register(Aggregate)
class AggregateAdmin(PublishingAdmin):
    form = AggregateForm
    inlines = (LegInline,)
    list_display = ("name", "path", "callers", "asks", "state")
    list_filter = ("enabled", "shipped")
    search_fields = ("name", "path", "legs__service")
    search_help_text = "Name, path or service"
    fieldsets = (
        (None, {"fields": ("name", "enabled")}),
        ("Takes", {"fields": ("path", "parameters", "timeout_s")}),
        ("Who may ask", {"fields": ("owner", "roles", "refused_message")}),
        ("When every leg fails", {"fields": (("failed_title", "failed_code"), "failed_message")}),
    )

    @admin.display(description="who may ask")
    def callers(self, aggregate: Aggregate) -> str:
        named = [f"the owner ({aggregate.owner})"] if aggregate.owner else []
        named += [TITLES[role] for role in aggregate.roles]
        return " or ".join(named) or "every caller of the route"

    @admin.display(description="asks")
    def asks(self, aggregate: Aggregate) -> SafeString:
        return format_html_join(
            "", "<div>{}{}</div>", ((one.service, one.path) for one in aggregate.legs.all())
        )

    @badge(description="state", ordering="enabled", colours={"on": "success", "off": "danger"})
    def state(self, aggregate: Aggregate) -> str:
        return "on" if aggregate.enabled else "off"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("legs")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """`load_routes` would create a shipped one again, so it can only be switched off."""
        return (obj is None or not obj.shipped) and super().has_delete_permission(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        super().delete_queryset(request, queryset.filter(shipped=False))

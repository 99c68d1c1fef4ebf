"""Machines with API keys: what they may use, and their keys. Each change is published at once."""

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import action
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from atoll.admin.badges import badge
from atoll.errors import Refusal
from atoll.identity.rights import Rights
from atoll.identity.roles import OPERATOR, ROLES, SUPPORT, TITLES
from gateway.admin.affected import of_consumers
from gateway.admin.api_keys import STATE_COLOURS, state_of
from gateway.admin.key_forms import NewKeyForm, RotationForm
from gateway.admin.publishing import METHOD_CHOICES, PublishingAdmin
from gateway.audit import name_of
from gateway.callers import ApiKey, Consumer, Grant
from gateway.usecases.api_keys import issue_key, rotate_keys

STOPS = "Within a second every key of this machine is refused."

Issue = Callable[[Consumer, str, dict[str, Any]], tuple[ApiKey, str]]


class GrantForm(forms.ModelForm):
    methods = forms.MultipleChoiceField(
        choices=METHOD_CHOICES, initial=["GET"], widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    class Meta:
        model = Grant
        fields = ("route", "methods")


class GrantsInline(TabularInline):
    model = Grant
    form = GrantForm
    extra = 0
    hide_title = True
    verbose_name = "route"
    verbose_name_plural = "may use"


class KeysInline(TabularInline):
    model = ApiKey
    extra = 0
    can_delete = False
    hide_title = True
    verbose_name_plural = "keys"
    fields = readonly_fields = (
        "key",
        "label",
        "state",
        "created_at",
        "created_by",
        "expires_at",
        "last_used_at",
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="key")
    def key(self, key: ApiKey) -> SafeString:
        """Links to the page of the key, which can revoke it."""
        return format_html(
            '<a href="{}" class="underline">{}</a>',
            reverse("admin:gateway_apikey_change", args=[key.pk]),
            key,
        )

    @badge(description="state", colours=STATE_COLOURS)
    def state(self, key: ApiKey) -> str:
        return state_of(key)


class ConsumerForm(forms.ModelForm):
    roles = forms.MultipleChoiceField(
        choices=[(role, TITLES[role]) for role in ROLES],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Only for routes that ask for a role. Most machines need none.",
    )

    class Meta:
        model = Consumer
        fields = ("code", "name", "enabled", "roles")


@admin.register(Consumer)
class ConsumerAdmin(PublishingAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, OPERATOR)}
    never = frozenset({"delete"})  # its keys tell who had access, and when
    at_once = ("consumers",)
    actions_submit_line = ()
    form = ConsumerForm
    inlines = (GrantsInline, KeysInline)
    fields = ("code", "name", "enabled", "roles")
    list_display = ("code", "name", "state", "routes", "last_used")
    list_filter = ("enabled", "grants__route")
    search_fields = ("code", "name", "=keys__key_id")
    search_help_text = "Id, name, or the eight characters after atoll_ of a key"
    ask_before_off: ClassVar = {"enabled": STOPS}
    actions_detail = ("new_key", "rotate")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        counted: QuerySet[Any] = rows.annotate(
            route_count=Count("grants", distinct=True), used_at=Max("keys__last_used_at")
        )
        return counted

    def affected(self, rows: QuerySet[Consumer]) -> list[str]:
        return of_consumers(rows)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("code",) if obj else ()

    @badge(description="state", ordering="enabled", colours={"on": "success", "off": "danger"})
    def state(self, consumer: Consumer) -> str:
        return "on" if consumer.enabled else "off"

    @admin.display(description="routes", ordering="route_count")
    def routes(self, consumer: Any) -> int:
        return int(consumer.route_count)

    @admin.display(description="last used", ordering="used_at")
    def last_used(self, consumer: Any) -> Any:
        return consumer.used_at

    def has_issue_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.may(request, "issue")

    @action(description="New key…", permissions=["issue"], url_path="new-key", icon="key")
    def new_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def issue(consumer: Consumer, by: str, given: dict[str, Any]) -> tuple[ApiKey, str]:
            return issue_key(consumer, by=by, label=given["label"], expires_at=given["expires_at"])

        return self._ask_and_show(request, object_id, NewKeyForm(request.POST or None), "New key", issue)

    @action(description="Rotate…", permissions=["issue"], url_path="rotate", icon="autorenew")
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        def issue(consumer: Consumer, by: str, given: dict[str, Any]) -> tuple[ApiKey, str]:
            return rotate_keys(
                consumer,
                by=by,
                overlap=given["overlap"],
                label=given["label"],
                expires_at=given["expires_at"],
            )

        return self._ask_and_show(request, object_id, RotationForm(request.POST or None), "Rotate", issue)

    def _ask_and_show(
        self, request: HttpRequest, object_id: str, form: forms.Form, title: str, issue: Issue
    ) -> HttpResponse:
        """The form, then the new key: in this answer only, without redirect, message or cache."""
        consumer = Consumer.objects.filter(pk=object_id).first()
        if consumer is None:
            return HttpResponseRedirect(reverse("admin:gateway_consumer_changelist"))
        page = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"{title}: {consumer}",
            "form": form,
            "button": title,
            "back_to": reverse("admin:gateway_consumer_change", args=[consumer.pk]),
        }
        if request.method == "POST" and form.is_valid():
            try:
                key, shown = issue(consumer, name_of(request.user), form.cleaned_data)
            except Refusal as refusal:
                form.add_error(None, refusal.message)
            else:
                self.log_change(request, consumer, f"{title}: {key}")
                page |= {"key": shown, "consumer": consumer, "made": key}
                return TemplateResponse(
                    request, "gateway/key.html", page, headers={"Cache-Control": "no-store"}
                )
        return TemplateResponse(request, "gateway/key_form.html", page)

"""The rules of notifications, with a test and a mute; the notifications with their attempts; the incidents.

Only administrators write rules: a rule makes the registry call a URL. The URL of a webhook may hold a secret
of the receiver, so others see its host alone.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminPasswordWidget

from atoll.admin import ModelAdmin, ReadOnlyAdmin
from atoll.admin.badges import badge
from atoll.admin.confirming import CONFIRMED, question
from atoll.admin.times import TimeFilter
from atoll.identity.rights import Rights
from atoll.identity.roles import OPERATOR, SUPPORT
from registry.models import Service
from registry.notification_models import Incident, Notification, NotificationRule
from registry.notifications import sending
from registry.usecases.credentials import WORKER_SUFFIX

MUTED_FOR = timedelta(hours=1)
RULE_COLOURS = {"active": "success", "muted": "warning", "off": "info"}
STATE_COLOURS = {"sent": "success", "waiting": "info", "failed": "danger"}


class RuleForm(forms.ModelForm):
    """The form never shows a stored secret. Left empty, it stays."""

    class Meta:
        model = NotificationRule
        fields = "__all__"  # noqa: DJ007  # the fieldsets of the admin name them
        widgets: ClassVar = {"secret": UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})}

    def clean_service(self) -> str:
        """A mistyped name would never be told."""
        name = str(self.cleaned_data["service"])
        if name and (name.endswith(WORKER_SUFFIX) or not Service.objects.filter(name=name).exists()):
            raise forms.ValidationError(
                "No service has registered under this name. Workers have none of their own."
            )
        return name

    def clean_secret(self) -> str:
        return str(self.cleaned_data["secret"] or self.instance.secret)


@admin.register(NotificationRule)
class NotificationRuleAdmin(ModelAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, OPERATOR), "operate": (OPERATOR,)}
    form = RuleForm
    secret_fields = ("secret", "url")
    never_exported = ("secret", "url")
    list_display = ("name", "kind", "service", "channel", "receiver", "state", "muted_until")
    list_filter = (("kind", ChoicesDropdownFilter), "channel", "is_active")
    search_fields = ("name", "service")
    search_help_text = "Name or service"
    actions_detail = ("test_this", "mute_this", "unmute_this")
    readonly_fields = ("receiver",)
    fieldsets = (
        (None, {"fields": ("name", "is_active", "muted_until")}),
        ("Incidents", {"fields": ("kind", "service", "limit_s", "lasts_s", "repeat_after_min")}),
        ("To", {"fields": ("channel", "url", "secret", "recipients")}),
    )
    ask_before_off: ClassVar = {
        "is_active": "Nobody is told by this rule any more; its open incidents are forgotten."
    }

    def has_operate_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return self.may(request, "operate")

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        return [*self.fieldsets[:2], ("To", {"fields": ("channel", "receiver")})]

    @display(description="receiver")
    def receiver(self, rule: NotificationRule) -> str:
        if rule.channel == NotificationRule.Channel.WEBHOOK:
            return urlsplit(rule.url).netloc or "–"
        return rule.recipients

    @badge(description="state", colours=RULE_COLOURS)
    def state(self, rule: NotificationRule) -> str:
        if not rule.is_active:
            return "off"
        return "muted" if rule.is_muted() else "active"

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        rule = self.get_object(request, object_id)
        hidden = "mute_this" if rule and rule.is_muted() else "unmute_this"
        offered = super().get_actions_detail(request, object_id)
        return [one for one in offered if not one.action_name.endswith(f"_{hidden}")]

    @action(description="Send a test…", permissions=["operate"], url_path="test", icon="send")
    def test_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._ask(
            request,
            object_id,
            "Send a test",
            "One notification with the title “A test” is sent now.",
            self._test,
        )

    @action(
        description="Mute for an hour…", permissions=["operate"], url_path="mute", icon="notifications_off"
    )
    def mute_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        warning = "For an hour this rule tells nobody. What still lasts then is told then."
        return self._ask(request, object_id, "Mute", warning, self._mute)

    @action(description="Unmute…", permissions=["operate"], url_path="unmute", icon="notifications")
    def unmute_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        warning = "This rule tells again, first the incidents that last now."
        return self._ask(request, object_id, "Unmute", warning, self._unmute)

    def _ask(
        self,
        request: HttpRequest,
        object_id: str,
        button: str,
        warning: str,
        act: Callable[[HttpRequest, NotificationRule], None],
    ) -> HttpResponse:
        rule = self.get_object(request, object_id)
        if rule is None:
            raise Http404("There is no rule of that id.")
        back_to = reverse("admin:registry_notificationrule_change", args=[rule.pk])
        if request.POST.get(CONFIRMED) != button:
            return question(
                self, request, answer=button, warning=warning, button=button,
                named=[f"{rule}, to {self.receiver(rule)}"], back_to=back_to,
            )  # fmt: skip
        act(request, rule)
        return HttpResponseRedirect(back_to)

    def _test(self, request: HttpRequest, rule: NotificationRule) -> None:
        made = Notification.objects.create(
            rule=rule, event=Notification.Event.TEST, title="A test", text=f"The rule {rule.name} was tested."
        )
        made.refresh_from_db()
        error = sending.send_now(made)
        self.log_change(request, rule, f"tested: {error or 'it was taken'}")
        if error:
            messages.error(request, f"The test was not taken. {error}")
        else:
            messages.success(request, f"{self.receiver(rule)} has taken the test.")

    def _mute(self, request: HttpRequest, rule: NotificationRule) -> None:
        self._set_mute(request, rule, timezone.now() + MUTED_FOR, "muted for an hour")

    def _unmute(self, request: HttpRequest, rule: NotificationRule) -> None:
        self._set_mute(request, rule, None, "unmuted")

    def _set_mute(self, request: HttpRequest, rule: NotificationRule, until: Any, outcome: str) -> None:
        NotificationRule.objects.filter(pk=rule.pk).update(muted_until=until)
        self.log_change(request, rule, outcome)
        messages.success(request, f"{rule} is {outcome}.")


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, OPERATOR)}
    list_display = ("created_at", "rule", "event", "title", "outcome", "attempts", "error", "sent_at")
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("event", ChoicesDropdownFilter),
        ("rule", RelatedDropdownFilter),
        ("created_at", TimeFilter),
    )
    list_select_related = ("rule",)
    search_fields = ("title", "service", "error")
    search_help_text = "Title, service or error"
    date_hierarchy = "created_at"
    fields = (
        "rule", "event", "service", "title", "text", "outcome", "attempts", "error", "created_at",
        "next_attempt", "sent_at",
    )  # fmt: skip
    readonly_fields = ("outcome", "next_attempt")

    @badge(description="state", ordering="state", colours=STATE_COLOURS)
    def outcome(self, one: Notification) -> str:
        return str(one.state)

    @display(description="next attempt at")
    def next_attempt(self, one: Notification) -> Any:
        return one.next_attempt_at if one.state == Notification.State.WAITING else None


@admin.register(Incident)
class IncidentAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, OPERATOR)}
    list_display = ("began_at", "title", "service", "rule", "ended_at", "told_at")
    list_filter = (("rule", RelatedDropdownFilter), ("began_at", TimeFilter))
    list_select_related = ("rule",)
    search_fields = ("title", "service")
    search_help_text = "Title or service"
    fields = ("rule", "service", "title", "text", "began_at", "seen_at", "ended_at", "told_at")

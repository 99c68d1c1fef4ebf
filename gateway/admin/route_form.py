"""The form of a route. It suggests the known services and asks before it accepts a risk."""

from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminTextInputWidget,
)

from atoll.identity.roles import TITLES
from gateway.admin.header_lines import HeaderLines
from gateway.admin.own_cors import OwnCorsForm
from gateway.admin.publishing import METHOD_CHOICES
from gateway.edge.routes import snapshot
from gateway.known import known_services
from gateway.models import Route
from gateway.risks import REGISTRY, Risk, risks

# After a change of one of these fields, the form asks about the risks again.
RISKY_FIELDS = frozenset(
    {"service", "service_path", "prefix", "match", "hosts", "access", "roles", "methods", "enabled"}
)


class KnownNames(UnfoldAdminTextInputWidget):
    """A text field that suggests the known services."""

    def __init__(self, names: list[str]) -> None:
        super().__init__(attrs={"list": "known-services", "autocomplete": "off"})
        self.names = names

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        options = format_html_join("", '<option value="{}"></option>', ((one,) for one in self.names))
        typed = super().render(name, value, attrs, renderer)
        return format_html('{}<datalist id="known-services">{}</datalist>', typed, options)


class RouteForm(OwnCorsForm):
    methods = forms.MultipleChoiceField(
        choices=METHOD_CHOICES, initial=snapshot.METHODS, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    roles = forms.MultipleChoiceField(
        choices=[(role, TITLES[role]) for role in snapshot.ROLES],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Where roles are asked for: who may. An administrator always may.",
    )
    header_matches = HeaderLines(
        label="Header fields",
        help_text="The request must carry all of them. One per line, such as X-Version: 2.",
    )
    insist = forms.BooleanField(
        required=False, help_text="Only after this page warned you: publish it in spite of the warning."
    )
    request: ClassVar[HttpRequest]

    class Meta:
        model = Route
        fields = "__all__"  # the fieldsets of the admin name them

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known = known_services()
        self.warned: list[str] = []
        if "service" in self.fields:
            self.fields["service"].widget = KnownNames(sorted(self.known - {REGISTRY}))

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        accepted = self.instance.insisted_by and not RISKY_FIELDS & {*self.changed_data}
        if not accepted:
            opened = Route(**{name: given.get(name, "") for name in ("service", "service_path", "match")})
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

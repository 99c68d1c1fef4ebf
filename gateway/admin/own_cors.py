"""The part of a route's form for cross-origin rules of its own."""

from typing import Any

from django import forms
from django.contrib.postgres.forms import SimpleArrayField
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from gateway.admin.publishing import METHOD_CHOICES
from gateway.edge.routes import snapshot

SHARED, OWN = "shared", "own"
NAMES = ("origins", "methods", "headers", "exposed", "credentials", "max_age_s")
FIELDS = ("cors_choice", *(f"cors_{name}" for name in NAMES))
SHOWN_IF_OWN = dict.fromkeys(FIELDS[1:], f"cors_choice == '{OWN}'")


class OwnCorsForm(forms.ModelForm):
    """Sets ``cors`` of the instance: None for the shared rules."""

    cors_choice = forms.ChoiceField(
        label="Rules",
        choices=[(SHARED, "The shared rules"), (OWN, "Rules of its own")],
        initial=SHARED,
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    cors_origins = SimpleArrayField(
        forms.CharField(),
        label="Origins",
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Such as https://shop.example.com, separated by commas. Empty: no other origin.",
    )
    cors_methods = forms.MultipleChoiceField(
        label="Methods",
        choices=METHOD_CHOICES,
        required=False,
        initial=snapshot.METHODS,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    cors_headers = SimpleArrayField(
        forms.CharField(),
        label="Header fields of requests",
        required=False,
        initial=snapshot.Cors.headers,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )
    cors_exposed = SimpleArrayField(
        forms.CharField(),
        label="Header fields of answers that pages may read",
        required=False,
        initial=snapshot.Cors.exposed,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
    cors_credentials = forms.BooleanField(
        label="Allow cookies and credentials", required=False, widget=UnfoldBooleanSwitchWidget
    )
    cors_max_age_s = forms.IntegerField(
        label="Preflight kept for (s)",
        required=False,
        min_value=0,
        initial=snapshot.Cors.max_age_s,
        widget=UnfoldAdminIntegerFieldWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.cors is not None:
            self.initial["cors_choice"] = OWN
            for name, value in self.instance.cors.items():
                self.initial[f"cors_{name}"] = value

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if "cors_choice" not in self.fields:
            return given
        self.instance.cors = self._own(given) if given.get("cors_choice") == OWN else None
        if self.instance.cors is not None:
            try:
                snapshot.check_cors(snapshot.read_cors(self.instance.cors))
            except snapshot.InvalidConfiguration as error:
                self.add_error("cors_origins", str(error))
                self.instance.cors = None  # its check of the whole would say the same again
        return given

    def _own(self, given: dict[str, Any]) -> dict[str, Any]:
        own = {name: given.get(f"cors_{name}") for name in NAMES}
        own["max_age_s"] = snapshot.Cors.max_age_s if own["max_age_s"] is None else own["max_age_s"]
        return {name: [] if value is None else value for name, value in own.items()}

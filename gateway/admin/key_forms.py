"""The forms for a new key and for a rotation."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from atoll import text

DAYS = ((90, "90 days"), (30, "30 days"), (365, "a year"), (0, "no end"))
OVERLAPS = ((24, "a day"), (1, "an hour"), (168, "a week"), (0, "not at all: it ends now"))


class NewKeyForm(forms.Form):
    """``expires_at`` is among the cleaned data; None for a key without an end."""

    label = forms.CharField(
        required=False,
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        help_text="Where the key will live, so that you know it when you revoke it.",
    )
    days = forms.TypedChoiceField(
        label="Valid for", choices=DAYS, coerce=int, initial=90, widget=UnfoldAdminSelectWidget
    )

    def clean_label(self) -> str:
        label = str(self.cleaned_data["label"])
        fault = text.fault_of(label) if label else None
        if fault:
            raise forms.ValidationError(fault)
        return label

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        days = given.get("days")
        end: datetime | None = timezone.now() + timedelta(days=days) if days else None
        return {**given, "expires_at": end}


class RotationForm(NewKeyForm):
    """``overlap`` is among the cleaned data, a timedelta."""

    hours = forms.TypedChoiceField(
        label="The key in use goes on for",
        choices=OVERLAPS,
        coerce=int,
        initial=24,
        widget=UnfoldAdminSelectWidget,
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        return {**given, "overlap": timedelta(hours=given.get("hours") or 0)}

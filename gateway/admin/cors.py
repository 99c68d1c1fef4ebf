"""The one row of cross-origin rules."""

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from gateway.admin.publishing import METHOD_CHOICES, PublishingAdmin
from gateway.edge.routes import snapshot
from gateway.models import ONLY_ROW, CorsSettings


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

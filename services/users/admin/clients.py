"""The admin page of the sign-in's clients. django-oauth-toolkit's own pages are not served."""

from typing import ClassVar

from django.contrib import admin
from oauth2_provider.models import AccessToken, Application, DeviceGrant, Grant, IDToken, RefreshToken

from atoll.admin import ReadOnlyAdmin
from atoll.identity.rights import Rights
from atoll.identity.roles import SUPPORT

for model in (AccessToken, Application, DeviceGrant, Grant, IDToken, RefreshToken):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(Application)
class ClientAdmin(ReadOnlyAdmin):
    """Which project signs people in, and to which addresses they return."""

    rights: ClassVar[Rights] = {"view": (SUPPORT,)}
    secret_fields = ("client_secret",)
    list_display = ("client_id", "name", "redirect_uris", "updated")
    search_fields = ("client_id", "name")
    fields = ("client_id", "name", "redirect_uris", "post_logout_redirect_uris", "created", "updated")
    ordering = ("client_id",)

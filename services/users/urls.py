"""URLs of the users project: its API, and the URLs that all projects have."""

from django.urls import path

from atoll.admin import site
from atoll.urls import platform_urls
from services.users.admin.own_password import change_own_password
from services.users.api.urls import urlpatterns as api

urlpatterns = platform_urls(
    [
        *api,
        # Before the admin's own view of this address, which does not call the use case.
        path("admin/password_change/", site.admin_view(change_own_password)),
    ]
)

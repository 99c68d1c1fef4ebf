"""URLs of the users project: its API, and what every project has."""

from django.urls import path

from atoll.admin import site
from atoll.urls import platform_urls
from services.users.admin.own_password import change_own_password
from services.users.api.urls import urlpatterns as api

urlpatterns = platform_urls(
    [
        *api,
        # Before the admin's own view of that address, which would pass the use case by.
        path("admin/password_change/", site.admin_view(change_own_password)),
    ]
)

"""URLs of the users project: its API, and what every project has."""

from atoll.api.urls import platform_urls
from services.users.api.urls import urlpatterns as api

urlpatterns = platform_urls(api)

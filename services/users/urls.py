"""URLs of the users project: its API, and what every project has."""

from atoll.api.urls import platform_urls

urlpatterns = platform_urls([])

"""URLs of the registry project: its API, and what every project has."""

from atoll.urls import platform_urls

urlpatterns = platform_urls([])

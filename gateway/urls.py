"""URLs of the gateway project: those of every project."""

from atoll.urls import platform_urls

urlpatterns = platform_urls([])

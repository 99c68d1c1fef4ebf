"""URLs of the payments project: its API, and the URLs that all projects have."""

from atoll.urls import platform_urls
from services.payments.api.urls import urlpatterns as payments_urls

urlpatterns = platform_urls(payments_urls)

"""URLs of the payments project: its API, and what every project has."""

from atoll.urls import platform_urls
from services.payments.api.urls import urlpatterns as payments_urls

urlpatterns = platform_urls(payments_urls)

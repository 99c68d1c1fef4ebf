"""URLs of the orders project: its API, and the URLs that all projects have."""

from atoll.urls import platform_urls
from services.orders.api.urls import urlpatterns as orders_urls

urlpatterns = platform_urls(orders_urls)

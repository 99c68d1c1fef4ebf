"""URLs of the products project: its API, and the URLs that all projects have."""

from atoll.urls import platform_urls
from services.products.api.urls import urlpatterns as products_urls

urlpatterns = platform_urls(products_urls)

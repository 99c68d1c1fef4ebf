"""URLs of the products project: its API, and what every project has."""

from atoll.urls import platform_urls
from services.products.api.urls import urlpatterns as products_urls

urlpatterns = platform_urls(products_urls)

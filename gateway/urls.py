"""URLs of the gateway project: the public API's document, and those of every project."""

from django.urls import path

from atoll.urls import platform_urls
from gateway.openapi import views

urlpatterns = platform_urls(
    [path("openapi.json", views.openapi, name="openapi"), path("docs", views.docs, name="openapi-docs")]
)

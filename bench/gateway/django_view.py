"""The smallest Django project with an async view."""

import django
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.http import HttpRequest, HttpResponse
from django.urls import path

from bench.gateway.service import LARGE, SMALL

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], DEBUG=False, MIDDLEWARE=[])


async def small(request: HttpRequest) -> HttpResponse:
    return HttpResponse(SMALL, content_type="application/json")


async def large(request: HttpRequest) -> HttpResponse:
    return HttpResponse(LARGE, content_type="application/json")


urlpatterns = [path("api/products/small", small), path("api/products/large", large)]
django.setup()
application = ASGIHandler()

"""The peer of the benchmark: a plain Django view with one query.

It answers the same bytes as the services; the benchmark stores them by their address.
"""

import os
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import re_path

from bench.reads import addresses

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    MIDDLEWARE=[],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "CONN_MAX_AGE": 60,
            **addresses.django_database(os.environ["BENCH_PLAIN_URL"]),
        }
    },
)


def page(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM page WHERE address = %s", [request.get_full_path()])
        row: Any = cursor.fetchone()
    length = {"Content-Length": str(len(row[0]))}
    return HttpResponse(bytes(row[0]), content_type="application/json", headers=length)


urlpatterns = [re_path("", page)]
application = get_wsgi_application()

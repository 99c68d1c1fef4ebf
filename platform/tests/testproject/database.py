"""The database of the library's own suites: ATOLL_TEST_DATABASE_URL."""

import os
from typing import Any
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

DATABASE_NAME = "atoll_library"


def database() -> dict[str, Any]:
    url = os.environ.get("ATOLL_TEST_DATABASE_URL")
    if not url:
        raise ImproperlyConfigured(
            "ATOLL_TEST_DATABASE_URL is not set. `make test` sets it; by hand, name a PostgreSQL "
            "account that may create databases."
        )
    parts = urlsplit(url)
    name = unquote(parts.path.lstrip("/")) or DATABASE_NAME
    return {
        "ENGINE": "atoll.postgresql",
        "NAME": name,
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or ""),
        "PORT": str(parts.port or ""),
        "OPTIONS": {"connect_timeout": 5},
        "TEST": {"NAME": f"test_{name}"},
    }

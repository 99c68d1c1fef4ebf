"""One URL of a database, for Django and for psycopg2."""

from typing import Any
from urllib.parse import urlsplit

import psycopg2


def django_database(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    return {
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "USER": parts.username or "",
        "PASSWORD": parts.password or "",
        "NAME": parts.path.lstrip("/"),
    }


def connect(url: str) -> Any:
    """A connection that commits each statement."""
    named = django_database(url)
    connection = psycopg2.connect(
        host=named["HOST"],
        port=named["PORT"],
        user=named["USER"],
        password=named["PASSWORD"],
        dbname=named["NAME"] or "postgres",
    )
    connection.autocommit = True
    return connection

"""When a connection is asked whether it still works, before the first query of a request."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.backends.postgresql import base as django_base

from atoll.postgresql import base
from atoll.postgresql.base import PING_AFTER_S
from atoll.testing.running import eventually

pytestmark = pytest.mark.django_db


@pytest.fixture
def own() -> Iterator[Any]:
    """A connection of its own, open."""
    made = connection.copy()
    made.settings_dict = {**connection.settings_dict, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
    made.ensure_connection()
    yield made
    made.close()


@pytest.fixture
def pings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    ping = django_base.DatabaseWrapper.is_usable

    def noted(self: Any) -> bool:
        found.append("ping")
        return bool(ping(self))

    monkeypatch.setattr(django_base.DatabaseWrapper, "is_usable", noted)
    return found


def request(own: Any) -> int:
    """The server process that answers a query at the start of the next request."""
    own.close_if_unusable_or_obsolete()
    with own.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def test_a_busy_connection_is_not_pinged(own: Any, pings: list[str]) -> None:
    assert request(own) == request(own) == request(own)
    assert pings == []


def test_a_connection_is_pinged_once_in_a_while(
    own: Any, pings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = base.time.monotonic()
    monkeypatch.setattr(base.time, "monotonic", lambda: now + PING_AFTER_S)

    assert request(own) == request(own)
    assert pings == ["ping"]


def test_a_connection_that_the_server_ended_is_replaced_at_once(own: Any, pings: list[str]) -> None:
    before = request(own)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [before])
        eventually(lambda: base._has_unread(own.connection), what="the server's farewell arrives")

    assert request(own) != before
    assert pings == ["ping"]

"""Notifications: none is missed, not even across the loss of the database."""

import socket
import threading
import time

import pytest
from django.db import OperationalError, connection

from atoll.backoff import Backoff
from atoll.postgresql.listening import Subscription, keep_listening

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def notify():
    """Notify the channel from another session."""
    other = connection.copy()

    def send(payload):
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_notify('news', %s)", [payload])

    yield send
    other.close()


def test_a_notification_ends_the_wait_and_is_taken_once(notify):
    heard = Subscription("news")
    notify("first")
    began = time.monotonic()
    assert heard.wait(30.0) == set()
    assert time.monotonic() - began < 10.0
    assert [notice.payload for notice in heard.take()] == ["first"]
    assert heard.take() == []


def test_a_notification_that_another_query_read_ends_the_wait_at_once(notify):
    heard = Subscription("news")
    notify("first")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    began = time.monotonic()
    heard.wait(30.0)
    assert time.monotonic() - began < 10.0
    assert [notice.payload for notice in heard.take()] == ["first"]


def test_another_socket_ends_the_wait_and_is_named():
    here, there = socket.socketpair()
    with here, there:
        heard = Subscription("news")
        assert heard.wait(0.0, here) == set()
        there.send(b"x")
        assert heard.wait(30.0, here) == {here}


def test_listening_goes_on_after_the_database_was_lost():
    lost, sessions, stopping = [], [], threading.Event()

    def tick(_):
        sessions.append(connection.connection)
        if len(sessions) in (2, 3):
            raise OperationalError("away")
        if len(sessions) == 4:
            stopping.set()

    keep_listening(
        "news",
        stopping=stopping,
        tick=tick,
        tick_s=0.01,
        lost=lambda error, is_first: lost.append((str(error), is_first)),
        backoff=Backoff(first_s=0.01),
    )
    assert lost == [("away", True), ("away", False)]
    assert [session.closed for session in sessions] == [1, 1, 1, 1]
    assert len(set(map(id, sessions))) == 3

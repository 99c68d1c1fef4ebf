"""Real brokers for the bus's suite, and handlers registered for one test."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.test import Client

from atoll import conf
from atoll.bus.handlers import registry
from atoll.ids import uuid7
from atoll.testing.broker_transports import delete_from_rabbitmq, delete_from_redis
from atoll.testing.bus import Bus

DEADLINE_S = 30.0
RABBITMQ = "amqp://guest:guest@127.0.0.1:5672//"

Until = Callable[[Callable[[], object]], object]


@pytest.fixture
def atoll_bus(atoll_bus: Bus) -> Bus:
    """The bus without its strictness: handlers of this suite fail on purpose, and the tests read the rows."""
    atoll_bus.is_strict = False
    return atoll_bus


@pytest.fixture
def staff(client: Client, db: None) -> Client:
    """An administrator who is signed in to the admin."""
    user = User.objects.create(username="ada", password=make_password(None), is_staff=True, is_superuser=True)
    client.force_login(user, backend="atoll.identity.backends.AccountBackend")
    return client


@pytest.fixture
def until() -> Until:
    """Wait until a condition is true and return its value. Fails after DEADLINE_S."""

    def wait(condition: Callable[[], object]) -> object:
        deadline = time.monotonic() + DEADLINE_S
        while not (value := condition()):
            assert time.monotonic() < deadline, "the condition never came true"
            time.sleep(0.005)
        return value

    return wait


@pytest.fixture
def handlers() -> Iterator[list[registry.Handler]]:
    """The registry, empty for this test and restored afterwards."""
    held = registry.handlers()
    registry._handlers.clear()
    yield registry._handlers
    registry._handlers[:] = held


def _rabbitmq_url() -> str:
    url = os.environ.get("ATOLL_TEST_RABBITMQ") or conf.variable("RABBITMQ_URL") or ""
    return url if url.startswith("amqp") else RABBITMQ


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port or 5672), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture
def rabbitmq(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """RabbitMQ as the broker, with names for this test only."""
    url = _rabbitmq_url()
    if not _answers(url):
        if conf.flag("ATOLL_REQUIRE_RABBITMQ"):
            pytest.fail(f"RabbitMQ is required and does not answer at {urlsplit(url).hostname}")
        pytest.skip("no RabbitMQ answers here")
    _use_own_names(monkeypatch, url)
    yield url
    delete_from_rabbitmq(settings.ATOLL_SERVICE)


@pytest.fixture
def valkey(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The Redis transport as the broker, under keys of this test's own."""
    url = conf.redis_url()
    _use_own_names(monkeypatch, url)
    yield url
    delete_from_redis()


@pytest.fixture(params=["rabbitmq", "valkey"])
def broker(request: pytest.FixtureRequest) -> str:
    """The URL of each broker in turn."""
    return str(request.getfixturevalue(request.param))


def _use_own_names(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("RABBITMQ_URL", url)
    monkeypatch.setenv("BUS_PREFIX", f"test-{uuid7().hex[-12:]}.")

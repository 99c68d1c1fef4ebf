import re

import pytest
from django.core.cache import caches
from django.db import connection

from atoll.health import checks
from atoll.health.checks import register_check
from atoll.server import lifecycle

pytestmark = pytest.mark.django_db

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(autouse=True)
def _own_checks(monkeypatch):
    monkeypatch.setattr(checks, "_registered", dict(checks._registered))


@pytest.fixture
def state(tmp_path, monkeypatch):
    monkeypatch.setenv(lifecycle.VARIABLE, str(tmp_path / "state"))
    return lifecycle.set_state


@pytest.fixture
def cache_away(settings):
    away = settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {"default": away}
    assert caches["default"]._servers == ["redis://127.0.0.1:1/0"]


def broken():
    raise ConnectionError("postgres://root:hunter2@10.0.0.7 refused")


def test_health_tells_who_answers_and_what_was_looked_at(client):
    response = client.get("/health")
    body = response.json()
    assert (response.status_code, body["status"], body["service"]) == (200, "ok", "library-service")
    assert body["instance"].startswith("library-service-")
    assert TIME.fullmatch(body["timestamp"])
    assert {name: check["status"] for name, check in body["checks"].items()} == {
        "database": "ok",
        "cache": "ok",
        "messages": "ok",
    }
    assert response["Cache-Control"] == "no-store"


def test_a_missing_dependency_makes_it_unready_but_not_dead(client):
    register_check("provider", broken)
    for path in ("/health", "/health/ready"):
        response = client.get(path)
        assert (response.status_code, response.json()["status"]) == (503, "unavailable")
        assert response.json()["checks"]["provider"]["status"] == "unavailable"
        assert "hunter2" not in response.content.decode()
    assert client.get("/health/live").status_code == 200


def test_what_can_be_done_without_only_degrades(client):
    register_check("search", broken, required=False)
    response = client.get("/health/ready")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")


def test_a_cache_that_is_away_degrades(client, cache_away):
    response = client.get("/health/ready")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["checks"]["cache"]["status"] == "unavailable"


def test_a_database_that_is_away_makes_it_unready(client, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["checks"]["database"]["status"] == "unavailable"


@pytest.mark.parametrize("not_ready", ["starting", "draining"])
def test_it_is_not_ready_while_starting_and_draining(client, state, not_ready):
    state(not_ready)
    response = client.get("/health/ready")
    assert (response.status_code, response.json()["status"]) == (503, not_ready)
    assert client.get("/health/live").status_code == 200
    state("ready")
    assert client.get("/health/ready").status_code == 200


def test_liveness_asks_nobody(client, django_assert_num_queries):
    register_check("provider", broken)
    with django_assert_num_queries(0):
        response = client.get("/health/live")
    assert (response.status_code, response.json()["status"]) == (200, "ok")
    assert "checks" not in response.json()

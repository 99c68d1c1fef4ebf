"""Settings that can lose messages stop a worker's start."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from kombu import Queue

from atoll.bus import checks
from atoll.bus.broker import transports
from atoll.bus.worker import celery_app as bus_celery
from atoll.bus.worker import settings_check
from atoll.bus.worker.settings_check import refuse_unsafe
from atoll.conf import checks as option_checks

from .worker import PROJECTS


@pytest.fixture
def app(broker: str) -> Celery:
    application = Celery("library", set_as_current=False)
    application.conf.update(bus_celery.configuration())
    return application


@pytest.mark.parametrize("number", ["0", "-1", "1001", "many"])
def test_a_worker_refuses_a_number_of_handlers_out_of_bounds(number: str) -> None:
    with pytest.raises(CommandError, match="is not a whole number from 1 to 1000"):
        call_command("worker", f"--concurrency={number}")


def test_our_own_settings_pass(app: Celery) -> None:
    refuse_unsafe(app)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accept_content", ["json", "pickle"]),
        ("task_serializer", "pickle"),
        ("task_acks_late", False),
        ("task_reject_on_worker_lost", False),
        ("task_ignore_result", False),
        ("task_create_missing_queues", True),
        ("result_backend", "redis://127.0.0.1/0"),
        ("broker_connection_retry_on_startup", False),
        ("broker_connection_max_retries", 3),
        ("broker_connection_retry", False),
        ("task_always_eager", True),
        ("task_annotations", {"atoll.deliver": {"acks_late": False}}),
        ("task_time_limit", 30),
        ("task_soft_time_limit", 20),
        ("task_default_rate_limit", "10/s"),
        ("worker_prefetch_multiplier", 4),
        ("worker_cancel_long_running_tasks_on_connection_loss", True),
        ("worker_detect_quorum_queues", False),
        ("worker_enable_prefetch_count_reduction", True),
        ("worker_consumer", "celery.worker.consumer:Consumer"),
        ("worker_pool", "gevent"),
        ("beat_schedule", {"daily": {"task": "atoll.deliver", "schedule": 86_400}}),
    ],
)
def test_each_unsafe_setting_is_refused_by_name(app: Celery, name: str, value: Any) -> None:
    app.conf[name] = value
    with pytest.raises(ImproperlyConfigured, match=f"(?s)loses messages.*{name} must "):
        refuse_unsafe(app)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("broker_transport_options", {"write_timeout": 10}),
        ("broker_transport_options", {"confirm_publish": True}),
        ("broker_heartbeat", 0),
        ("broker_url", "filesystem://"),
    ],
    ids=["confirm_publish", "write_timeout", "broker_heartbeat", "broker_url"],
)
def test_what_rabbitmq_needs_is_asked_for(
    rabbitmq: str, request: pytest.FixtureRequest, name: str, value: Any
) -> None:
    application = Celery("library", set_as_current=False)
    application.conf.update(bus_celery.configuration(), **{name: value})
    with pytest.raises(ImproperlyConfigured, match=request.node.callspec.id):
        refuse_unsafe(application)


def test_kombu_s_own_redis_transport_is_refused(valkey: str) -> None:
    application = Celery("library", set_as_current=False)
    application.conf.update(bus_celery.configuration(), broker_transport=None)
    with pytest.raises(ImproperlyConfigured, match="HintTransport"):
        refuse_unsafe(application)


def test_a_queue_of_events_among_celery_s_is_refused(app: Celery) -> None:
    names = transports.current().names
    app.conf.task_queues = [names.work_queue, names.event_queue]
    with pytest.raises(ImproperlyConfigured, match=r"task_queues must be the queue .* alone: Celery rejects"):
        refuse_unsafe(app)


def test_a_hint_queue_of_another_shape_is_refused(app: Celery) -> None:
    app.conf.task_queues = [Queue(transports.current().names.work_queue.name, durable=False)]
    with pytest.raises(ImproperlyConfigured, match="task_queues must be"):
        refuse_unsafe(app)


@pytest.mark.parametrize(
    ("package", "installed"), [("celery", "5.6.2"), ("kombu", "5.6.0rc1"), ("amqp", "5.3.1")]
)
def test_an_old_package_is_refused(
    app: Celery, monkeypatch: pytest.MonkeyPatch, package: str, installed: str
) -> None:
    actual = settings_check.version
    monkeypatch.setattr(
        settings_check, "version", lambda name: installed if name == package else actual(name)
    )
    with pytest.raises(ImproperlyConfigured, match=f"{package} {installed} is older than"):
        refuse_unsafe(app)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"ENGINE": "django.db.backends.sqlite3"}, ["atoll_bus.E001"]),
        ({"AUTOCOMMIT": False}, ["atoll_bus.E002"]),
        ({"OPTIONS": {"isolation_level": 3}}, ["atoll_bus.E003"]),
        ({}, []),
    ],
)
def test_a_database_that_breaks_claims_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], found: list[str]
) -> None:
    monkeypatch.setattr(settings, "DATABASES", {"default": settings.DATABASES["default"] | changes})
    assert [message.id for message in checks.check_database()] == found


def test_a_mistyped_variable_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUS_QUEUE_TYPE", "quroum")
    monkeypatch.setenv("LIBRARY_WORKER_POOL", "prefork")
    (message,) = option_checks.check_options()
    assert message.msg == "BUS_QUEUE_TYPE='quroum' is not one of classic, quorum."
    assert message.id == "atoll.E005"


@pytest.fixture
def library_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Replace the platform's projects by the library's own project."""
    (tmp_path / "projects.toml").write_text(PROJECTS)
    with monkeypatch.context() as patched:
        patched.setenv("ATOLL_ROOT", str(tmp_path))
        yield


@pytest.mark.usefixtures("library_alone")
def test_the_deployment_check_looks_at_the_project_s_celery(
    rabbitmq: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from testproject.celery import app

    app.conf.update(bus_celery.configuration())
    assert checks.check_celery() == []
    monkeypatch.setitem(app.conf, "task_acks_late", False)
    (message,) = checks.check_celery()
    assert message.id == "atoll_bus.E005"
    assert "task_acks_late must be True, not False" in message.msg

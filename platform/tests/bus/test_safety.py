"""Settings known to lose messages keep a worker from starting."""

from typing import Any

import pytest
from celery import Celery
from django.core.exceptions import ImproperlyConfigured

from atoll.bus import celery as bus_celery
from atoll.bus.safety import refuse_unsafe


@pytest.fixture
def app(broker: str) -> Celery:
    application = Celery("library", set_as_current=False)
    application.conf.update(bus_celery.configuration())
    return application


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
    ],
)
def test_each_unsafe_setting_is_refused_by_name(app: Celery, name: str, value: Any) -> None:
    app.conf[name] = value
    with pytest.raises(ImproperlyConfigured, match=f"(?s)loses messages.*{name} must "):
        refuse_unsafe(app)


def test_rabbitmq_without_confirms_is_refused(rabbitmq: str) -> None:
    application = Celery("library", set_as_current=False)
    application.conf.update(bus_celery.configuration(), broker_transport_options={})
    with pytest.raises(ImproperlyConfigured, match="confirm_publish"):
        refuse_unsafe(application)

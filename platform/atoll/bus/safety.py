"""Refusing Celery settings that are known to lose, double or block messages."""

from celery import Celery
from django.core.exceptions import ImproperlyConfigured

REASONS = {
    "accept_content": (["json"], "a pickled message runs code of whoever can reach the broker"),
    "task_serializer": ("json", "a pickled message runs code of whoever can reach the broker"),
    "task_ignore_result": (True, "outcomes are in the deliveries table; results would only pile up"),
    "task_acks_late": (True, "an early ack loses the hint with its worker and waits for the sweep"),
    "task_reject_on_worker_lost": (True, "Celery acknowledges what a killed child was running"),
    "task_create_missing_queues": (False, "a mistyped queue would swallow hints silently"),
    "broker_connection_retry_on_startup": (True, "a worker started before its broker would give up"),
    "broker_connection_max_retries": (None, "a worker would give up during a long outage"),
}


def refuse_unsafe(app: Celery) -> None:
    """Raises ImproperlyConfigured, naming every setting that differs and why it matters."""
    found = [
        f"{name} must be {wanted!r}, not {app.conf[name]!r}: {reason}."
        for name, (wanted, reason) in REASONS.items()
        if app.conf[name] != wanted
    ]
    if app.conf.result_backend:
        found.append("result_backend must not be set: outcomes are in the deliveries table.")
    if app.conf.broker_url.startswith("amqp") and not app.conf.broker_transport_options.get(
        "confirm_publish"
    ):
        found.append("broker_transport_options must have confirm_publish: RabbitMQ drops silently without.")
    if found:
        raise ImproperlyConfigured("Celery is set up in a way that loses messages.\n" + "\n".join(found))

"""Refusing Celery settings that are known to lose, repeat or block messages."""

from importlib.metadata import version
from typing import Any, cast

import structlog
from celery import Celery
from celery import concurrency as untyped
from django.core.exceptions import ImproperlyConfigured
from django.db import InterfaceError, OperationalError, connection

from atoll.bus.broker import transports
from atoll.bus.worker import hints

log = structlog.get_logger("atoll.bus")

CODE = "a pickled message runs code of whoever can reach the broker"
GIVES_UP = "a worker would give up where it should wait for its broker"
PER_HINT = "a hint carries up to ten deliveries, and each handler has its own timeout_s"
REASONS: dict[str, tuple[Any, str]] = {
    "accept_content": (["json"], CODE),
    "task_serializer": ("json", CODE),
    "task_ignore_result": (True, "outcomes are in the deliveries table; results would only pile up"),
    "task_acks_late": (True, "an early ack loses the hint with its worker and waits for the sweep"),
    "task_reject_on_worker_lost": (
        True,
        "Celery acknowledges what a killed child was running (https://github.com/celery/celery/issues/9082)",
    ),
    "task_create_missing_queues": (False, "a mistyped queue would swallow hints silently"),
    "task_always_eager": (False, "handlers would run inside ingest and keep it from storing what arrives"),
    "task_annotations": (None, "they change the one task behind the settings that are checked here"),
    "task_time_limit": (None, PER_HINT),
    "task_soft_time_limit": (None, PER_HINT),
    "task_default_rate_limit": (
        None,
        "a limited hint waits in the worker's memory while the sweep repeats it",
    ),
    "worker_prefetch_multiplier": (
        1,
        "a slow worker would sit on hints that another could run "
        "(https://github.com/cloudamqp/lavinmq/issues/2188)",
    ),
    "worker_cancel_long_running_tasks_on_connection_loss": (
        False,
        "a handler may finish while the broker is away: its delivery is locked and fenced in the database",
    ),
    "worker_detect_quorum_queues": (
        True,
        "RabbitMQ refuses to serve a quorum queue with a prefetch for the whole channel "
        "(https://github.com/celery/celery/issues/9149)",
    ),
    "worker_enable_prefetch_count_reduction": (
        False,
        "after a lost connection the worker would wait inside its event loop for the broker "
        "(https://github.com/celery/celery/issues/9512)",
    ),
    "worker_consumer": (
        "atoll.bus.worker.hint_consumer:Consumer",
        "Celery's own declares 28 queues for tasks with an ETA, and lets workers hold them in memory",
    ),
    "broker_connection_retry": (True, GIVES_UP),
    "broker_connection_retry_on_startup": (True, GIVES_UP),
    "broker_connection_max_retries": (None, GIVES_UP),
    "beat_schedule": (
        {},
        "a beat is a task that no table knows of: use atoll.bus.schedule, which commits with your rows",
    ),
}
OLDEST = {
    "celery": (
        (5, 7),
        "workers come back deaf from a broker's restart, https://github.com/celery/celery/issues/9512",
    ),
    "kombu": ((5, 7), "its Redis transport matches * with several words, and loses wake-ups"),
    "amqp": (
        (5, 4, 2),
        "a confirm may be waited for without end, https://github.com/celery/py-amqp/issues/285",
    ),
}
POOLS = ("threads", "prefork")
IMPLEMENTATIONS: dict[str, str] = cast(Any, untyped).ALIASES
POOL_REASONS = {
    "solo": "handlers would run on the thread that answers the broker's heartbeats and hears SIGTERM",
    "gevent": "psycopg2 blocks every greenlet, and ingest and relay are threads that would starve",
    "eventlet": "psycopg2 blocks every greenlet, and ingest and relay are threads that would starve",
}


def refuse_unsafe(app: Celery) -> None:
    """Raise ImproperlyConfigured for unsafe settings. The text names each one and the reason."""
    conf = app.conf
    found = [
        f"{name} must be {wanted!r}, not {conf[name]!r}: {reason}."
        for name, (wanted, reason) in REASONS.items()
        if conf[name] != wanted
    ]
    if conf.result_backend:
        found.append("result_backend must not be set: outcomes are in the deliveries table.")
    if conf.worker_pool not in POOLS:
        found.append(_pool(conf.worker_pool))
    work = transports.current().names.work_queue
    if [_identity(queue) for queue in conf.task_queues or ()] != [_identity(work)]:
        found.append(
            f"task_queues must be the queue {work.name} alone: Celery rejects, and so drops, "
            "what is no task of its own, such as an event."
        )
    found += _transport(conf) + _versions()
    if found:
        raise ImproperlyConfigured("Celery is set up in a way that loses messages.\n" + "\n".join(found))


def refuse_unsafe_worker(worker: Any) -> None:
    """Raise ImproperlyConfigured for unsafe options of Celery's command line."""
    found = []
    pool = f"{worker.pool_cls.__module__}:{worker.pool_cls.__qualname__}"
    if pool not in {IMPLEMENTATIONS[allowed] for allowed in POOLS}:
        found.append(_pool(next((name for name, path in IMPLEMENTATIONS.items() if path == pool), pool)))
    if getattr(worker, "autoscale", None):
        found.append(
            "--autoscale must not be given: RabbitMQ 4 and quorum queues keep the prefetch a worker "
            "began with (https://github.com/celery/celery/issues/6067)."
        )
    work = transports.current().names.work_queue.name
    if [*worker.app.amqp.queues.consume_from] != [work]:
        found.append(f"--queues and --exclude-queues must leave the queue {work}, and it alone.")
    if worker.prefetch_multiplier != 1:
        found.append(f"--prefetch-multiplier must be 1: {REASONS['worker_prefetch_multiplier'][1]}.")
    if worker.time_limit or worker.soft_time_limit:
        found.append(f"--time-limit and --soft-time-limit must not be given: {PER_HINT}.")
    task = worker.app.tasks[hints.TASK]
    if not (task.acks_late and task.reject_on_worker_lost and task.rate_limit is None):
        found.append(f"The task {hints.TASK} must not be changed: it is a hint that is acknowledged late.")
    if found:
        raise ImproperlyConfigured("This worker would lose messages.\n" + "\n".join(found))


def report_database() -> None:
    """Log settings of the database that weaken the guarantees; log nothing while it is away."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT current_setting('synchronous_commit'), current_setting('fsync'), pg_backend_pid()"
            )
            synchronous, fsync, session = cursor.fetchone()
        known = connection.connection.info.backend_pid
    except (OperationalError, InterfaceError):
        return
    finally:
        connection.close()
    if "off" in (synchronous, fsync):
        log.warning(
            "the database does not wait for its disk: a crash of its machine may lose the last commits",
            synchronous_commit=synchronous,
            fsync=fsync,
        )
    if session != known:
        log.warning(
            "a connection pooler is between this worker and its database: it must pool sessions, "
            "since LISTEN and the claims of a session do not survive its change"
        )


def _transport(settings: Any) -> list[str]:
    try:
        kind = transports.kind_of(settings.broker_url)
    except ImproperlyConfigured as error:
        return [f"broker_url must be changed. {error}"]
    return kind.celery_problems(settings)


def _versions() -> list[str]:
    found = []
    for package, (oldest, reason) in OLDEST.items():
        installed = version(package)
        numbers = tuple(int(part) for part in installed.split(".")[:3] if part.isdigit())
        if numbers < oldest:
            found.append(f"{package} {installed} is older than {'.'.join(map(str, oldest))}: {reason}.")
    return found


def _pool(name: str) -> str:
    reason = POOL_REASONS.get(name, "nobody has shown that it gives back what it held")
    return f"worker_pool must be threads or prefork, not {name}: {reason}."


def _identity(queue: Any) -> tuple[Any, ...]:
    exchange = queue.exchange.name if queue.exchange else ""
    return queue.name, exchange, queue.durable, queue.auto_delete, queue.queue_arguments or None

"""The Celery application of a service, with the settings that lose no message.

Celery only runs handlers. The ledger keeps retries, delays, results and schedules. docs/decisions/0002 has
the reasons, and atoll.bus.worker.settings_check those of each setting.
"""

import logging
import os
import signal
from typing import Any

import django
from billiard.process import current_process
from celery import Celery
from celery.signals import setup_logging, worker_process_init
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from atoll import conf, process_title
from atoll.bus.broker import transports
from atoll.bus.broker.transport import CONNECT_TIMEOUT_S, HEARTBEAT_S
from atoll.bus.delivery import attempt_slots, timeouts
from atoll.bus.worker import celery_environment, close_inherited_sockets, hints
from atoll.bus.worker.sigterm_wakeup import WakeStep
from atoll.conf import options
from atoll.server import log_level


def celery_app(project: str | None = None) -> Celery:
    """The application for the ``celery.py`` of a project. Sets Django up if it is not.

    ``project`` is the name in ``projects.toml``. A project that stands alone leaves it out; then
    ``DJANGO_SETTINGS_MODULE`` must be set, as in Celery's own introduction for Django.

    A plain ``celery -A services.<project> worker`` runs the threads of the bus, too, unless
    ``BUS_IN_WORKER=0`` leaves them to ``PROJECT bus``. Exits when the environment has variables that
    Celery prefers to its configuration.
    """
    if project:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", conf.project(project).settings_module)
    if not apps.ready:
        django.setup()
    try:
        project = project or conf.project_name()
        celery_environment.refuse()
        configured = configuration()
    except ImproperlyConfigured as error:
        # Celery's command line would show a traceback.
        raise SystemExit(f"{project or 'The worker'} does not start. {error}") from None
    # It imports models, which need Django set up. A plain celery imports this module first.
    from atoll.bus.worker.bootstep import BusStep

    # Celery's Django fixup would close the database connection after every task.
    app = Celery(project, fixups=[], set_as_current=True)
    app.conf.update(configured)
    hints.register(app)
    app.steps["worker"].add(BusStep)
    app.steps["consumer"].add(WakeStep)
    return app


def configuration() -> dict[str, Any]:
    transport = transports.current()
    names = transport.names
    project = conf.project_name()
    return transport.celery_settings() | {
        "broker_heartbeat": HEARTBEAT_S,
        "broker_connection_timeout": CONNECT_TIMEOUT_S,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "accept_content": ["json"],
        "task_serializer": "json",
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_create_missing_queues": False,
        "task_queues": [names.work_queue],
        "task_default_queue": names.work_queue.name,
        "task_default_exchange": "",
        "task_default_routing_key": names.work_queue.name,
        "control_exchange": names.control,
        "event_exchange": names.task_events,
        "event_queue_prefix": names.task_events,
        "worker_consumer": "atoll.bus.worker.hint_consumer:Consumer",
        "worker_pool": options.WORKER_POOL.value(project),
        "worker_concurrency": options.WORKER_CONCURRENCY.value(project),
        "worker_prefetch_multiplier": 1,
        # After a lost connection Celery would set the count anew from inside its event loop and wait
        # there for the broker's answer; seen to hang until the broker missed three heartbeats.
        "worker_enable_prefetch_count_reduction": False,
        "worker_send_task_events": False,
        "worker_redirect_stdouts": False,
        # A handler that is running when the broker goes away may finish: the ledger knows.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_soft_shutdown_timeout": 5.0,
    }


@setup_logging.connect
def _keep_logging(**_: Any) -> None:
    """Django's LOGGING stays as it is; Celery's two lines per hint say less than the handler's own."""
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)


@worker_process_init.connect
def _become_child(**_: Any) -> None:
    """A forked child must neither use nor keep the parent's connections."""
    for connection in connections.all(initialized_only=True):
        connection.connection = None
    # A signal to the group of processes is for the worker, which lets its children finish.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    close_inherited_sockets.close_inherited_sockets()
    number = getattr(current_process(), "index", attempt_slots.SLOTS)
    attempt_slots.become_child(number)
    process_title.show(conf.project_name(), "worker", "child", str(number + 1))
    log_level.follow_in_background()
    timeouts.arm()

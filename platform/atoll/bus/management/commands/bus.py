"""``manage.py PROJECT bus``: ingest, relay and timers beside Celery workers that only run handlers."""

import signal
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from atoll import conf, tracing
from atoll.bus import contracts
from atoll.bus.broker import transports
from atoll.bus.inbox import senders
from atoll.bus.worker import settings_check
from atoll.bus.worker.celery_app import celery_app
from atoll.bus.worker.hints import Hints
from atoll.bus.worker.threads import WorkerThreads
from atoll.bus.worker.worker_registration import WorkerRegistration
from atoll.server import starting
from atoll.server.identity import instance_id
from atoll.server.main_thread import Interruptible


class Command(BaseCommand):
    help = "Run the bus of this service without its handlers (give the workers BUS_IN_WORKER=0)."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        app = celery_app(conf.project_name())
        try:
            starting.refuse_start()
            settings_check.refuse_unsafe(app)
            senders.refuse_start()
            transports.current().refuse_mismatch()
            contracts.refuse_unknown_names()
        except ImproperlyConfigured as error:
            raise CommandError(f"The bus does not start. {error}") from error
        settings_check.report_database()
        service = conf.service_name()
        tracing.start(tracing.Origin(conf.project_name(), service, instance_id(service), "bus"))
        registration = WorkerRegistration()
        threads = WorkerThreads(Hints(app), registration, runs_handlers=False)
        stopping = Interruptible()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        threads.start()
        stopping.wait()
        registration.leaving()
        threads.stop()
        registration.gone()
        for number in (signal.SIGTERM, signal.SIGINT):
            # Python removes signal handlers before it exits: a second signal would look like a crash.
            signal.signal(number, signal.SIG_IGN)

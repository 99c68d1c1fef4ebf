"""``manage.py PROJECT bus``: ingest, relay and timers beside Celery workers that only run handlers."""

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from atoll.bus import safety, topology
from atoll.bus.celery import celery_app
from atoll.bus.hints import Hints
from atoll.bus.host import Host
from atoll.bus.presence import Presence


class Command(BaseCommand):
    help = "Run the bus of this service without its handlers (give the workers BUS_IN_WORKER=0)."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        app = celery_app(settings.ATOLL_PROJECT)
        safety.refuse_unsafe(app)
        topology.refuse_mismatch()
        safety.report_database()
        presence = Presence()
        host = Host(Hints(app), presence.ready)
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        host.start()
        stopping.wait()
        presence.leaving()
        host.stop()
        presence.gone()
        for number in (signal.SIGTERM, signal.SIGINT):
            # Python gives handlers up before it has ended: one more signal would look like a crash.
            signal.signal(number, signal.SIG_IGN)

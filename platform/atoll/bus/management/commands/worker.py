"""``manage.py PROJECT worker``: Celery, ingest, relay and timers in one process."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from socket import gethostname
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from atoll import conf
from atoll.bus.worker import settings_check
from atoll.bus.worker.celery_app import celery_app
from atoll.conf import options as known_options
from atoll.server.identity import instance_id


class Command(BaseCommand):
    help = "Run this service's handlers, relay, ingest and timers."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--concurrency",
            type=handlers_at_once,
            default=None,
            help="handlers at the same time (default: WORKER_CONCURRENCY, else 4)",
        )
        parser.add_argument(
            "--pool",
            choices=settings_check.POOLS,
            default=None,
            help="threads share one process's memory; prefork uses several cores and can end a stuck "
            "handler (default: WORKER_POOL, else threads)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        app = celery_app(conf.project_name())
        if options["pool"]:
            app.conf.worker_pool = options["pool"]
        if options["concurrency"]:
            app.conf.worker_concurrency = options["concurrency"]
        try:
            settings_check.refuse_unsafe(app)
        except ImproperlyConfigured as error:
            raise CommandError(f"The worker does not start. {error}") from error
        worker = app.Worker(
            # The node's name is the name of this worker's own queue. It must be unique: workers of
            # several services share a machine and a broker.
            hostname=f"{instance_id(conf.service_name())}@{gethostname()}",
            quiet=True,
            pool_cls=app.conf.worker_pool,
        )
        worker.start()
        sys.exit(worker.exitcode)


def handlers_at_once(text: str) -> int:
    """A number within the bounds of WORKER_CONCURRENCY. Raises ArgumentTypeError."""
    try:
        return known_options.WORKER_CONCURRENCY.kind.read(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} {error}") from None

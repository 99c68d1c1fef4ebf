"""The project's web server: it registers, sends heartbeats, and drains before it stops."""

import multiprocessing
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from atoll import conf
from atoll.postgresql.budget import WEB_THREADS
from atoll.server import starting
from atoll.server.listening import PortBusy
from atoll.server.serving import serve
from atoll.server.shared_metrics import shared_metrics


class Command(BaseCommand):
    help = (
        "Serves this project over HTTP as one instance of its service. Start as many as you like: --port 0."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        port = conf.project(conf.project_name()).port
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
        parser.add_argument("--port", type=int, default=port, help=f"0 takes a free one ({port})")
        parser.add_argument("--workers", type=int, default=1, help="processes (1)")
        parser.add_argument(
            "--threads", type=int, default=WEB_THREADS, help=f"per WSGI process ({WEB_THREADS})"
        )
        parser.add_argument(
            "--advertise-host",
            default=conf.variable("ADVERTISE_HOST", conf.project_name()),
            help="host to register when others reach this one by another name than --host",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        starting.refuse_start()
        multiprocessing.set_start_method("fork", force=True)
        try:
            with shared_metrics(options["workers"]):
                serve(
                    host=options["host"],
                    port=options["port"],
                    workers=options["workers"],
                    threads=options["threads"],
                    advertise=options["advertise_host"],
                )
        except PortBusy as error:
            raise CommandError(
                f"{error}. Stop it, or choose another with --port (0 takes a free one)."
            ) from error

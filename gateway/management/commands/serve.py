"""The gateway's server: edge processes for clients, and a control process for the admin."""

import multiprocessing
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from atoll import conf
from atoll.postgresql.budget import WEB_THREADS
from atoll.server import starting
from atoll.server.listening import PortBusy
from gateway.serving import NobodyToFollow, Places, serve


class Command(BaseCommand):
    help = "Serves the public API, and the admin in a process of its own. --follow replaces the running one."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        name = settings.ATOLL_PROJECT
        port = conf.project(name).port
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
        parser.add_argument("--port", type=int, default=port, help=f"0 takes a free one ({port})")
        parser.add_argument(
            "--edges",
            "--workers",
            type=int,
            default=conf.whole_number("EDGES", 1, name),
            help="processes (1)",
        )
        parser.add_argument("--threads", type=int, default=WEB_THREADS, help=f"of the admin ({WEB_THREADS})")
        parser.add_argument("--control-host", default=conf.variable("CONTROL_HOST", name) or "127.0.0.1")
        parser.add_argument(
            "--control-port", type=int, default=conf.whole_number("CONTROL_PORT", 0, name),
            help="of the admin; 0 takes a free one (0)",
        )  # fmt: skip
        parser.add_argument(
            "--follow", action="store_true",
            help="take over the port of the running gateway, without a refused connection",
        )  # fmt: skip
        parser.add_argument(
            "--advertise-host",
            default=conf.variable("ADVERTISE_HOST", name),
            help="host to register when others reach this one by another name than --host",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        starting.refuse_start()
        multiprocessing.set_start_method("fork", force=True)
        if options["edges"] < 1:
            raise CommandError("--edges must be 1 or more.")
        places = Places(options["host"], options["port"], options["control_host"], options["control_port"])
        try:
            serve(
                places,
                edges=options["edges"],
                threads=options["threads"],
                advertise=options["advertise_host"],
                follow=options["follow"],
            )
        except PortBusy as error:
            raise CommandError(
                f"{error}. Stop it, follow it with --follow, or choose another with --port (0: a free one)."
            ) from error
        except (NobodyToFollow, RuntimeError) as error:
            raise CommandError(f"{error}.") from error

"""Sets the level of log lines from the command line, for a time."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from atoll import conf
from atoll.errors import Refusal
from atoll.server.log_level import LEVELS
from registry.usecases.log_level import DEFAULT_MINUTES, MAX_MINUTES, end_log_level, set_log_level

ACTOR = "log_level"
CONFIGURED = "configured"
WORKER = "-worker"


class Command(BaseCommand):
    help = "Lets a service write lines of another level for a time, without a restart."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="orders, orders-worker, or a name on the wire: order-service.worker")
        parser.add_argument("level", choices=(*LEVELS, CONFIGURED), help=f"{CONFIGURED} ends it now")
        parser.add_argument("--instance", default="", help="only this instance of the service")
        parser.add_argument(
            "--minutes", type=int, default=DEFAULT_MINUTES, help=f"1 to {MAX_MINUTES}; {DEFAULT_MINUTES}"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        service, instance, level = _on_the_wire(options["name"]), options["instance"], options["level"]
        named = f"{service}/{instance}" if instance else service
        if level == CONFIGURED:
            was_set = end_log_level(service, instance, actor=ACTOR)
            told = "writes the lines of its configuration again, within 15 seconds."
            self.stdout.write(f"{named} {told}" if was_set else f"No level was set for {named}.")
            return
        try:
            current = set_log_level(service, instance, level, options["minutes"], actor=ACTOR)
        except Refusal as refusal:
            raise CommandError(refusal.message) from None
        self.stdout.write(f"{named} writes lines from {level} on until {current.ends_at:%H:%M:%S} UTC.")
        self.stdout.write("The instances learn it with their next heartbeat, within 15 seconds.")


def _on_the_wire(name: str) -> str:
    """The name in the registry of a project, of its worker, or of a service."""
    projects = conf.projects()
    plain = name.removesuffix(WORKER)
    if plain not in projects:
        return name
    return projects[plain].service + (".worker" if name.endswith(WORKER) else "")

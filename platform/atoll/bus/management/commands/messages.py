"""``manage.py PROJECT messages``: the project's messages as JSON, for ``manage.py asyncapi``."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from atoll.bus import payloads
from atoll.bus.handlers import registry
from atoll.bus.schemas import definitions
from atoll.errors import Misuse


class Command(BaseCommand):
    help = "Print what this project announces and reads on the bus, as JSON."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--try",
            dest="trials",
            action="store_true",
            help="read examples from standard input, hand each to its handler's upcasters and payload class, "
            "and print its problem, or null",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["trials"]:
            self.stdout.write(json.dumps([complaint(**trial) for trial in json.load(sys.stdin)]))
            return
        try:
            self.stdout.write(json.dumps(definitions.of_this_project().as_json()))
        except Misuse as error:
            raise CommandError(str(error)) from error


def complaint(*, handler: str, name: str, version: int, data: dict[str, Any], **_: Any) -> str | None:
    """Return the reason why a handler cannot read a message, or None. The handler does not run."""
    registered = registry.by_id(handler)
    if registered is None:
        return f"No handler is called {handler}."
    try:
        payloads.read(registered.payload_type, name, data, version)
    except payloads.PayloadMismatch as mismatch:
        return str(mismatch)
    return None

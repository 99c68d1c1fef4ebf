"""Print the state machines of orders as two Mermaid diagrams, or write them to docs/flow.md."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from atoll import conf
from services.orders.graph import diagrams, replaced_in

DOCUMENT = "docs/flow.md"


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", action="store_true", help=f"write the diagrams to {DOCUMENT}")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["write"]:
            self.stdout.write(diagrams())
            return
        document = conf.root() / DOCUMENT
        document.write_text(replaced_in(document.read_text()))

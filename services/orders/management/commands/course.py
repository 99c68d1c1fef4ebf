"""Print the course of an order as two Mermaid diagrams, or write them into docs/flow.md."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from atoll import conf
from services.orders.graph import replaced_in, shown

DOCUMENT = "docs/flow.md"


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--write", action="store_true", help=f"bring {DOCUMENT} up to date")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["write"]:
            self.stdout.write(shown())
            return
        document = conf.root() / DOCUMENT
        document.write_text(replaced_in(document.read_text()))

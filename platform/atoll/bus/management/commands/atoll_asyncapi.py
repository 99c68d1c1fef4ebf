"""``manage.py atoll_asyncapi``: the verb ``asyncapi`` for a project that stands alone."""

import sys
from argparse import ArgumentParser, Namespace
from importlib import import_module
from typing import Any

from django.core.management.base import BaseCommand

from atoll.conf import checks

# By name: the verbs of manage.py are above the bus, and nothing else of the bus needs them.
VERB = "atoll.cli.asyncapi"


class Command(BaseCommand):
    help = "Write docs/asyncapi.json, AsyncAPI 3 of this project's messages. A breaking change is refused."
    requires_system_checks = [checks.TAG]

    def add_arguments(self, parser: ArgumentParser) -> None:
        self._parser = parser
        import_module(VERB).add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(import_module(VERB).run(self._parser, Namespace(**options)))

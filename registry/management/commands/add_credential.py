"""Makes a credential for a service from the command line."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from atoll.errors import InvalidInput
from registry.usecases.credentials import check_brought, ensure, issue

ACTOR = "add_credential"


class Command(BaseCommand):
    help = "Lets a service write to the registry under its name; prints its secret, once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("service", help="its name on the wire, such as report-service")
        parser.add_argument("--label", default="", help="where the secret will live")
        parser.add_argument(
            "--existing",
            action="store_true",
            help="take the secret that the service has already from standard input; prints nothing",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        service, label = options["service"], options["label"]
        try:
            if options["existing"]:
                secret = sys.stdin.readline().strip()
                check_brought(secret)
                ensure(service, secret, label=label, actor=ACTOR)
            else:
                self.stdout.write(issue(service, label=label, actor=ACTOR)[1])
        except InvalidInput as refusal:
            raise CommandError(refusal.message) from None

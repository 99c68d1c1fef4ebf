from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from gateway.edge.routes.snapshot import InvalidConfiguration
from gateway.usecases.load_routes import FILE, load_routes


class Command(BaseCommand):
    help = "Create the routes of gateway/routes.toml that are missing, and publish the table."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--file", type=Path, default=FILE, help="another file of the same form")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            loaded = load_routes(options["file"])
        except InvalidConfiguration as error:
            raise CommandError(str(error)) from None
        self.stdout.write(
            f"created: {', '.join(loaded.created) or 'none'}; left as they are: "
            f"{', '.join(loaded.kept) or 'none'}; table version {loaded.version}"
        )

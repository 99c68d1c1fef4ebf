"""Django's ``migrate``, for a database that belongs to this project or to none yet."""

from typing import Any

from django.core.management.commands import migrate

from atoll.server import starting


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        starting.refuse_start()
        super().handle(*args, **options)

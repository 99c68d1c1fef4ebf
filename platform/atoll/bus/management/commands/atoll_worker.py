"""``manage.py atoll_worker``: the command ``worker`` under a name that no other library has."""

from typing import Any

from atoll import logs
from atoll.bus.management.commands import worker
from atoll.conf import checks


class Command(worker.Command):
    requires_system_checks = [checks.TAG]

    def handle(self, *args: Any, **options: Any) -> None:
        logs.show_where_nobody_does()
        super().handle(*args, **options)

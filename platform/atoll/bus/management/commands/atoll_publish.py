"""``manage.py atoll_publish``: the command ``publish`` under a name that no other library has."""

from atoll.bus.management.commands import publish
from atoll.conf import checks


class Command(publish.Command):
    requires_system_checks = [checks.TAG]

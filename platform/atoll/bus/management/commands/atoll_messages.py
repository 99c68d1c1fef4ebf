"""``manage.py atoll_messages``: the command ``messages`` under a name that no other library has."""

from atoll.bus.management.commands import messages
from atoll.conf import checks


class Command(messages.Command):
    requires_system_checks = [checks.TAG]

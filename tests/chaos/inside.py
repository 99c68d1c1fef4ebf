"""Actions that need a service's own code: ``python -m tests.chaos.inside PROJECT VERB ...``.

handlers         print the service's subscriptions as one JSON object
announce COUNT   publish events that another service handles without any effect
rollback COUNT   publish in transactions that roll back, and in one whose process is killed
replay ID...     run settled deliveries again
"""

import json
import os
import signal
import sys
from decimal import Decimal
from uuid import UUID, uuid4

import django

from atoll import conf


def main(arguments: list[str]) -> int:
    project, verb, *rest = arguments
    os.environ["DJANGO_SETTINGS_MODULE"] = conf.project(project).settings_module
    django.setup()
    if verb == "handlers":
        print(json.dumps(subscriptions()))
    elif verb == "announce":
        announce(int(rest[0]))
    elif verb == "rollback":
        roll_back(project, int(rest[0]))
    else:
        from atoll.bus.delivery import executor

        for identifier in rest:
            executor.execute(UUID(identifier))
    return 0


def subscriptions() -> list[dict[str, object]]:
    from atoll.bus.handlers import registry

    return [
        {
            "kind": handler.kind,
            "name": handler.name,
            "handler": handler.id,
            "attempts": handler.retry.attempts,
        }
        for handler in registry.handlers()
    ]


def announce(count: int) -> None:
    """Publish events of payments about orders that do not exist."""
    from django.db import transaction

    from atoll import bus
    from services.payments.events import PaymentVoided

    for _ in range(count):
        with transaction.atomic():
            bus.publish(PaymentVoided(order_id=uuid4(), payment_id=uuid4(), reason="chaos"))


def roll_back(project: str, count: int) -> None:
    """Print the id of each message before its transaction ends without a commit."""
    from django.db import transaction

    from atoll import bus

    for number in range(count):
        try:
            with transaction.atomic():
                print(bus.publish(_event(project)), flush=True)
                if number == count - 1:
                    os.kill(os.getpid(), signal.SIGKILL)
                raise RolledBack
        except RolledBack:
            continue


class RolledBack(Exception):
    """Ends a transaction with a rollback."""


def _event(project: str) -> object:
    if project == "users":
        from services.users.events import UserDeleted

        return UserDeleted(user_id=uuid4())
    from services.orders.events import OrderCancelled

    return OrderCancelled(
        order_id=uuid4(), user_id=uuid4(), total=Decimal("1.00"), currency="EUR", reason="chaos"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

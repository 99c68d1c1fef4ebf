"""A service with one of its safeguards removed, to show that the checker notices.

``python -m tests.chaos.sabotage outbox|inbox PROJECT COMMAND ...`` runs ``manage.py PROJECT COMMAND``:

    outbox   the process publishes its messages after its commit, as without an outbox; two kills
             hit the time between commit and publishing
    inbox    the service stores every copy of a message as a new message
"""

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from atoll.cli import run

KILLS = 2
ORDERS_BEFORE_A_KILL = 8
MESSAGES_AN_ORDER = 2


def main(arguments: list[str]) -> int:
    safeguard, *command = arguments
    {"outbox": _without_outbox, "inbox": _without_inbox}[safeguard]()
    return run(command)


def _patch(module: str, name: str, make: Callable[[Any], Any]) -> None:
    """Replace a function as soon as Django is set up and can import the function's module."""
    import importlib

    import django

    set_up = django.setup

    def setup(*arguments: Any, **options: Any) -> None:
        set_up(*arguments, **options)
        loaded = importlib.import_module(module)
        if not hasattr(getattr(loaded, name), "is_sabotaged"):
            replacement = make(getattr(loaded, name))
            replacement.is_sabotaged = True
            setattr(loaded, name, replacement)

    django.setup = setup


def _without_outbox() -> None:
    added = 0

    def make(add: Callable[..., None]) -> Callable[..., None]:
        from django.db import connection, transaction

        from atoll.bus.broker.messages import Outgoing

        def publish_after_commit(**message: Any) -> None:
            nonlocal added
            add(**message)
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE atoll_bus_outbox SET status = 'published', published_at = now() "  # noqa: S608
                    f"WHERE message_id = %s RETURNING {', '.join(Outgoing._fields)}",
                    [message["message_id"]],
                )
                row = Outgoing(*cursor.fetchone())
            added += 1
            is_time = added % (ORDERS_BEFORE_A_KILL * MESSAGES_AN_ORDER) == 1 and added > 1
            transaction.on_commit(lambda: _publish(row, is_time))

        return publish_after_commit

    _patch("atoll.bus.outbox.store", "add", make)


def _publish(row: Any, is_time: bool) -> None:
    from atoll.bus.broker import transports

    kills = Path(os.environ["ATOLL_HOME"], "kills")
    so_far = len(kills.read_text()) if kills.exists() else 0
    if is_time and so_far < KILLS:
        kills.write_text("x" * (so_far + 1))
        os.kill(os.getpid(), signal.SIGKILL)
    to = transports.open_publisher()
    try:
        to.publish([row])
    finally:
        to.close()


def _without_inbox() -> None:
    def make(store: Callable[..., Any]) -> Callable[..., Any]:
        def store_every_copy(envelopes: Any, **options: Any) -> Any:
            strangers = [replace(one, dedupe_key=f"{one.dedupe_key}/{uuid4()}") for one in envelopes]
            return store(strangers, **options)

        return store_every_copy

    _patch("atoll.bus.inbox.store", "store", make)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Two versions of one service at once: each has handlers that the other does not have.

``python -m tests.chaos.versions old|new PROJECT COMMAND ...`` runs ``manage.py PROJECT COMMAND`` with
the handlers of that version and the service's own. The handlers do nothing; the ledger shows
whether each message reached each handler.
"""

import os
import sys
from dataclasses import replace
from typing import Any

import django

from atoll.cli import run
from atoll.dev.process import Spec

PROJECT = "payments"
WORKERS = {"payments-worker": "old", "payments-worker-2": "new"}
# A handler in both versions; a handler of one version for an event that the other version handles in
# another handler; and for each version a handler of an event that the other version does not know.
HANDLERS = {
    "old": {"chaos.both": "order.created", "chaos.old": "order.confirmed"},
    "new": {"chaos.both": "order.created", "chaos.second": "order.created", "chaos.new": "order.cancelled"},
}


def arranged(spec: Spec) -> Spec:
    """Return the same process in the given version."""
    if spec.name not in WORKERS:
        return spec
    argv = (sys.executable, "-m", "tests.chaos.versions", WORKERS[spec.name], *spec.argv)
    return replace(
        spec, argv=argv, python=False, env=dict(spec.env) | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )


def subscriptions() -> list[dict[str, object]]:
    """Return the subscriptions of both versions in the journal's form.

    ``outside_contracts``: docs/asyncapi.json contains none of them, so senders do not know them.
    """
    from atoll.bus.retry import Retry

    taken = sorted({pair for handlers in HANDLERS.values() for pair in handlers.items()})
    return [
        {
            "kind": "event",
            "name": name,
            "handler": handler,
            "attempts": Retry().attempts,
            "outside_contracts": True,
        }
        for handler, name in taken
    ]


def main(arguments: list[str]) -> int:
    version, *command = arguments
    set_up = django.setup
    is_done = False

    def setup(*given: Any, **options: Any) -> None:
        nonlocal is_done
        set_up(*given, **options)
        if not is_done:
            is_done = True
            _register(version)

    django.setup = setup
    return run(command)


def _register(version: str) -> None:
    from atoll.bus import Message, on

    for handler, name in HANDLERS[version].items():

        def note(event: dict[str, Any], message: Message) -> None:
            return

        note.__qualname__ = handler
        on(name, name=handler)(note)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

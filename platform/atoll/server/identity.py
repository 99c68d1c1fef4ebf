"""What this process calls itself in the registry and in its log lines."""

import os
import secrets

import atoll
from atoll import conf

VARIABLE = "ATOLL_INSTANCE"
RANDOM_BYTES = 4


def instance_id(service: str) -> str:
    """The id in ``ATOLL_INSTANCE``, else a new one that every child process inherits.

    A process that starts again gets a new id, so nothing said about its former
    life (a tombstone, an open breaker) sticks to it.
    """
    held = os.environ.get(VARIABLE)
    if not held:
        held = f"{service}-{secrets.token_hex(RANDOM_BYTES)}"
        os.environ[VARIABLE] = held
    return held


def describe(project: str) -> dict[str, str]:
    """What the registry shows beside the address; ``ZONE`` and ``SERVICE_VERSION`` when set."""
    values = {
        "version": conf.variable("SERVICE_VERSION", project) or atoll.__version__,
        "environment": conf.environment(),
        "zone": conf.variable("ZONE", project),
    }
    return {name: value for name, value in values.items() if value}

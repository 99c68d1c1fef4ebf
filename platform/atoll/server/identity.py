"""The id and the description of this instance in the registry and in log lines."""

import os
import secrets

import atoll
from atoll import conf
from atoll.conf import options

VARIABLE = "ATOLL_INSTANCE"
RANDOM_BYTES = 4


def instance_id(service: str) -> str:
    """The id in ``ATOLL_INSTANCE``, else a new id that every child process inherits.

    A process that starts again gets a new id, so that a tombstone or an open breaker of its earlier
    run does not count for it.
    """
    held = os.environ.get(VARIABLE)
    if not held:
        held = f"{service}-{secrets.token_hex(RANDOM_BYTES)}"
        os.environ[VARIABLE] = held
    return held


def describe(project: str) -> dict[str, str]:
    """The metadata that the registry shows; ``ZONE`` and ``SERVICE_VERSION`` if they are set."""
    values = {
        "version": options.SERVICE_VERSION.value(project) or atoll.__version__,
        "environment": conf.environment(),
        "zone": options.ZONE.value(project),
    }
    return {name: value for name, value in values.items() if value}

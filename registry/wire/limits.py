"""How often may be written, and guessed; counted by django-ratelimit in the shared cache.

A cache that is away limits nobody: the registry must not stop with it.
"""

import logging

from django.http import HttpRequest
from django_ratelimit.core import get_usage
from redis.exceptions import RedisError

from atoll.errors import TooManyRequests
from registry.wire.messages import Request

logger = logging.getLogger(__name__)

REGISTRATIONS = "300/m"
HEARTBEATS = "3000/m"
FAILURES = "30/m"


def count_write(service: str, kind: str, rate: str) -> None:
    """Counts one write of a service. Raises TooManyRequests above the rate."""
    _use(f"registry:{kind}", service, rate, increment=True)


def check_address(request: Request) -> None:
    """Raises TooManyRequests when this address has sent too many wrong credentials."""
    _use("registry:failures", request.peer, FAILURES, increment=False)


def note_failure(request: Request) -> None:
    try:
        _use("registry:failures", request.peer, FAILURES, increment=True)
    except TooManyRequests:
        logger.warning("too many wrong service credentials from %s", request.peer)


def _use(group: str, value: str, rate: str, *, increment: bool) -> None:
    try:
        usage = get_usage(
            HttpRequest(), group=group, key=lambda group, request: value, rate=rate, increment=increment
        )
    except (RedisError, OSError) as error:
        logger.warning("limits are not counted, the cache is away: %s", error)
        return
    if usage is None:
        return
    is_over = usage["count"] > usage["limit"] if increment else usage["count"] >= usage["limit"]
    if is_over:
        raise TooManyRequests(
            f"At most {rate} of this.", retry_after_s=max(1, usage["time_left"]), code="too_many_writes"
        )

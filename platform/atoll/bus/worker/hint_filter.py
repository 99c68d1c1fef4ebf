"""Checking messages of the work queue before Celery reads them.

Anybody who reaches the broker can publish there. An error in a message would end Celery's consumer, or
take a place of its pool for ever, so a message that is no hint of the bus is dropped. Nothing is lost: the
sweep finds every due delivery without a hint, too.
"""

import json
import time
from typing import Any
from uuid import UUID

# A hint has short names and few deliveries.
MAX_BYTES = 16_384
MAX_DELIVERIES = 100
# A chain of empty hints of the bus ends within seconds.
LONGEST_CHAIN_S = 60.0
# These headers tell Celery to keep the message in memory, or to run other tasks afterwards.
HOLDING = ("eta", "expires", "timelimit", "group", "chord")


def problem_with(message: Any, task: str) -> str | None:
    """Why the message is no hint; None for a hint."""
    if message.problem:
        return str(message.problem)
    if message.content_type != "application/json" or message.content_encoding != "utf-8":
        return "It is not JSON in UTF-8."
    headers = message.headers
    if headers.get("task") != task:
        return f"It is not {task}."
    if not isinstance(headers.get("id"), str):
        return "It has no id."
    if any(_is_set(headers.get(name)) for name in HOLDING):
        return "It asks to be kept or followed by something."
    body = message.body
    if len(body) > MAX_BYTES:
        return f"It has {len(body)} bytes."
    try:
        return None if _is_call(json.loads(body)) else "Its arguments are no hint's."
    except (ValueError, TypeError, RecursionError):
        return "Its body cannot be read."


def _is_set(value: Any) -> bool:
    return value not in (None, [None, None], (None, None))


def _is_call(body: Any) -> bool:
    """Whether the body is ``[[ids], {}, embedded]`` or ``[[[], until], {}, embedded]``."""
    arguments, options, embedded = body
    if options != {} or any(dict(embedded).values()) or not 1 <= len(arguments) <= 2:
        return False
    deliveries, until = arguments[0], arguments[1] if len(arguments) == 2 else 0.0
    if not isinstance(deliveries, list) or len(deliveries) > MAX_DELIVERIES:
        return False
    if not isinstance(until, int | float) or until > time.time() + LONGEST_CHAIN_S:
        return False
    return all(isinstance(identifier, str) and UUID(identifier) for identifier in deliveries)

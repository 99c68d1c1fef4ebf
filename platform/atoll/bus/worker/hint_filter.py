"""What the work queue brings, looked at before Celery sees it.

Anybody who reaches the broker can publish there. An error about a message would end
Celery's consumer, or keep one place of its pool for ever, so what is no hint of ours is
dropped. Nothing is lost: a hint only says sooner what the sweep would find.
"""

import json
import time
from typing import Any
from uuid import UUID

# Names of ours are short, and a hint names few deliveries.
MAX_BYTES = 16_384
MAX_DELIVERIES = 100
# A chain of empty hints ends after seconds; what would go on for longer is not ours.
LONGEST_CHAIN_S = 60.0
# Tell Celery to keep the message in memory, or to run something else afterwards.
HOLDING = ("eta", "expires", "timelimit", "group", "chord")


def problem_with(message: Any, task: str) -> str | None:
    """Why it is no hint, if it is none."""
    if message.problem:
        return str(message.problem)
    if message.content_type != "application/json" or message.content_encoding != "utf-8":
        return "It is not JSON in UTF-8."
    headers = message.headers
    if headers.get("task") != task:
        return f"It is not {task}."
    if not isinstance(headers.get("id"), str):
        return "It has no id."
    if any(_says_something(headers.get(name)) for name in HOLDING):
        return "It asks to be kept or followed by something."
    body = message.body
    if len(body) > MAX_BYTES:
        return f"It has {len(body)} bytes."
    try:
        return None if _is_call(json.loads(body)) else "Its arguments are no hint's."
    except (ValueError, TypeError, RecursionError):
        return "Its body cannot be read."


def _says_something(value: Any) -> bool:
    return value not in (None, [None, None], (None, None))


def _is_call(body: Any) -> bool:
    """[[ids] or [[], until], {}, embedded]"""
    arguments, options, embedded = body
    if options != {} or any(dict(embedded).values()) or not 1 <= len(arguments) <= 2:
        return False
    deliveries, until = arguments[0], arguments[1] if len(arguments) == 2 else 0.0
    if not isinstance(deliveries, list) or len(deliveries) > MAX_DELIVERIES:
        return False
    if not isinstance(until, int | float) or until > time.time() + LONGEST_CHAIN_S:
        return False
    return all(isinstance(identifier, str) and UUID(identifier) for identifier in deliveries)

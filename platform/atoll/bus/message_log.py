"""A log line for a batch of messages, with the facts of each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

# Readers of logs cut long lines.
MESSAGES_PER_LINE = 100


def log_messages(write: Callable[..., Any], event: str, messages: Sequence[Mapping[str, Any]]) -> None:
    """Log one line for each MESSAGES_PER_LINE messages, and nothing without one.

    A single message has its facts as fields of the line itself: `manage.py logs` shows the correlation id
    at its end.
    """
    for start in range(0, len(messages), MESSAGES_PER_LINE):
        part = messages[start : start + MESSAGES_PER_LINE]
        facts = part[0] if len(part) == 1 else {"messages": part}
        write(event, count=len(part), **facts)

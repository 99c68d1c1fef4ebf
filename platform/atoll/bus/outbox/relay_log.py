"""The log lines of a batch: one for each outcome, with the facts of all its messages."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from atoll.bus.broker.messages import Outgoing
from atoll.bus.broker.publisher import Outcome

log = structlog.get_logger("atoll.bus")

# Readers of logs cut long lines.
MESSAGES_PER_LINE = 100


def log_batch(rows: Sequence[Outgoing], outcome: Outcome) -> None:
    published = dict.fromkeys(outcome.published, "")
    _log(log.info, "messages published", rows, published)
    _log(log.error, "messages refused by the broker", rows, outcome.refused)
    _log(log.error, "messages kept, a receiver would miss them", rows, outcome.unroutable)


def _log(write: Callable[..., Any], event: str, rows: Sequence[Outgoing], reasons: Mapping[int, str]) -> None:
    if not reasons:
        return
    messages = [_facts(row, reasons[row.id]) for row in rows if row.id in reasons]
    for start in range(0, len(messages), MESSAGES_PER_LINE):
        part = messages[start : start + MESSAGES_PER_LINE]
        # The fields of a line of its own: `manage.py logs` shows the correlation id at its end.
        facts = part[0] if len(part) == 1 else {"messages": part}
        write(event, count=len(part), **facts)


def _facts(row: Outgoing, reason: str) -> dict[str, str]:
    facts = {
        "message_type": row.name,
        "message_id": str(row.message_id),
        "correlation_id": row.correlation_id,
    }
    return facts | {"reason": reason} if reason else facts

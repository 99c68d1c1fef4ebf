"""The log lines of a batch: one for each outcome, with the facts of all its messages."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from atoll.bus.broker.messages import Outgoing
from atoll.bus.broker.publisher import Outcome
from atoll.bus.message_log import log_messages

log = structlog.get_logger("atoll.bus")


def log_batch(rows: Sequence[Outgoing], outcome: Outcome) -> None:
    published = dict.fromkeys(outcome.published, "")
    _log(log.info, "messages published", rows, published)
    _log(log.error, "messages refused by the broker", rows, outcome.refused)
    _log(log.error, "messages kept, a receiver would miss them", rows, outcome.unroutable)


def _log(write: Callable[..., Any], event: str, rows: Sequence[Outgoing], reasons: Mapping[int, str]) -> None:
    log_messages(write, event, [_facts(row, reasons[row.id]) for row in rows if row.id in reasons])


def _facts(row: Outgoing, reason: str) -> dict[str, str]:
    facts = {
        "message_type": row.name,
        "message_id": str(row.message_id),
        "correlation_id": row.correlation_id,
    }
    return facts | {"reason": reason} if reason else facts

"""Working off a backlog: workers take what is due from the ledger itself, oldest first.

A hint for each of 100,000 deliveries would stand in Celery's queue before the hint for
a new one. So what arrives late and in crowds gets none. The sweep sees that much is
due and sends empty hints instead, a few at a time: each has its worker take one due
delivery after another for SLICE_S, and then sends itself again, behind the hints for
what is new. One place of each worker's pool gets none and stays free for those.
docs/decisions/0038 has the reasons.
"""

import time
from collections.abc import Callable, Sequence
from uuid import UUID

from atoll.bus.delivery import executor, lanes
from atoll.bus.delivery import store as deliveries
from atoll.bus.delivery.store import Claim
from atoll.bus.handlers import known

# How long one empty hint keeps its thread from hints that wait behind it.
SLICE_S = 0.02
# After this the sweep has looked again and sent new ones, or there is no backlog any more.
CHAIN_S = 1.5

# Without statistics, or with those of quieter times, PostgreSQL would read all that is due and
# sort it for each claim: ten times slower with 7,000 due. The index delivers it in order.
_IN_ORDER = "SET LOCAL enable_sort = off;"
_DUE = """(
        SELECT due.id FROM atoll_bus_delivery AS due
        WHERE due.status IN ('pending', 'running') AND due.hint_at <= statement_timestamp()
          AND due.next_attempt_at <= statement_timestamp() AND due.handler = ANY(%(runnable)s) AND {}
        ORDER BY due.hint_at LIMIT 1 FOR UPDATE SKIP LOCKED)"""
CLAIM_DUE = _IN_ORDER + deliveries.CLAIM.format(
    which=_DUE.format("due.lane = ''"),
    may_run="TRUE",
    is_behind="FALSE",
    created_at="delivery.created_at",
)
# What is not the first of its lane is left to the sweep, which parks it.
CLAIM_DUE_IN_TURN = _IN_ORDER + deliveries.CLAIM.format(
    which=_DUE.format(
        f"due.lane <> '' AND due.id = {lanes.HEAD.format(handler='due.handler', lane='due.lane')}"
    ),
    **lanes.IN_TURN,
)


def drain(hint: Callable[[Sequence[UUID]], None] | None = None) -> bool:
    """Run due deliveries for about SLICE_S, or a lane's turn; whether there may be more.

    ``hint`` is as for ``execute.run``.
    """
    until = time.monotonic() + SLICE_S
    while time.monotonic() < until:
        claim = _claim_due()
        if claim is None:
            return False
        executor.run(claim, hint=hint)
    return True


def _claim_due() -> Claim | None:
    """Begin an attempt of the delivery that has been due longest and that nobody else is looking at;
    of one in a lane, whose turn has come, only when no other is due."""
    claim = deliveries.claim_with(CLAIM_DUE, {"now": None})
    if claim is None and known.roster().has_ordered:
        claim = deliveries.claim_with(CLAIM_DUE_IN_TURN, {"now": None})
    return claim

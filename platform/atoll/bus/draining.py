"""Working off a backlog: workers take what is due from the ledger itself, oldest first.

A hint for each of 100,000 deliveries would stand in Celery's queue before the hint for
a new one. So what arrives late and in crowds gets none. The sweep sees that much is
due and sends empty hints instead, a few at a time: each has its worker take one due
delivery after another for SLICE_S, and then sends itself again, behind the hints for
what is new. One place of each worker's pool gets none and stays free for those.
docs/decisions/0038 has the reasons and the figures.
"""

import time

from django.db import connection

from atoll.bus import execute
from atoll.bus.deliveries import CLAIM, LEASE_S, Claim

# How long one empty hint keeps its thread from hints that wait behind it.
SLICE_S = 0.02
# After this the sweep has looked again and sent new ones, or there is no backlog any more.
CHAIN_S = 1.5

CLAIM_DUE = CLAIM.format(
    which="""(
        SELECT due.id FROM atoll_bus_delivery AS due
        WHERE due.status IN ('pending', 'running') AND due.hint_at <= statement_timestamp()
          AND due.next_attempt_at <= statement_timestamp() AND due.lane = ''
        ORDER BY due.hint_at LIMIT 1 FOR UPDATE SKIP LOCKED)""",
    may_run="TRUE",
    is_behind="FALSE",
    created_at="delivery.created_at",
)


def drain() -> bool:
    """Run due deliveries for about SLICE_S; whether there may be more. Ordered lanes are left to hints."""
    until = time.monotonic() + SLICE_S
    while time.monotonic() < until:
        claim = _claim_due()
        if claim is None:
            return False
        execute.run(claim)
    return True


def _claim_due() -> Claim | None:
    """Begin an attempt of the delivery that has been due longest and that nobody else is looking at."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM_DUE, {"now": None, "lease_s": LEASE_S})
        row = cursor.fetchone()
    return Claim(*row) if row else None

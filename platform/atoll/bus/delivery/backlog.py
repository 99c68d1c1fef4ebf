"""Working off a backlog: workers take due deliveries from the table itself, oldest first.

A hint for each of 100,000 deliveries would stand in Celery's queue before the hint for a new one. So a
delivery that arrives late in a crowd gets none. The sweep sees that many are due and sends empty hints
instead, a few at a time: each has its worker run one due delivery after another for SLICE_S, and then
sends itself again, behind the hints for new deliveries. One place of each worker's pool gets no empty
hint and stays free for new deliveries. docs/decisions/0038 has the reasons.
"""

import time

from atoll.bus.delivery import executor
from atoll.bus.delivery import store as deliveries
from atoll.bus.delivery.executor import Hint

# How long one empty hint keeps its thread from the hints that wait behind it.
SLICE_S = 0.02
# By then the sweep has looked again and sent new empty hints, or there is no backlog any more.
CHAIN_S = 1.5


def work_off(hint: Hint | None = None) -> bool:
    """Run due deliveries for about SLICE_S, or LANE_TURN of one lane; whether there may be more.

    ``hint`` is as for ``executor.run``.
    """
    until = time.monotonic() + SLICE_S
    while time.monotonic() < until:
        claim = deliveries.claim_longest_due()
        if claim is None:
            return False
        executor.run(claim, hint=hint)
    return True

"""One run: customers, the open loop, the outcomes of its orders."""

import math
from dataclasses import dataclass
from typing import Any

from demo.shopper import Shopper
from load.customers import Connection, Customer, orderable
from load.figures import Durations, Figures
from load.open_loop import OpenLoop
from load.outcomes import Outcome, Outcomes

# Users takes 60 registrations of one address in a minute, and orders 50 open orders of one customer.
MOST_CUSTOMERS = 20
MOST_CONNECTIONS = 256
SHARES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Plan:
    """``per_s`` None: each connection orders as soon as its last order is answered.

    ``poll_s`` None: the outcomes are read at the end only, so that reading costs the platform nothing
    during the run.
    """

    gateway_url: str
    per_s: float | None
    seconds: float
    connections: int
    timeout_s: float = 10.0
    settle_s: float = 60.0
    poll_s: float | None = 0.25

    @property
    def customers(self) -> int:
        return min(MOST_CUSTOMERS, self.connections)


def connections_for(per_s: float) -> int:
    """Enough for answers that take up to two seconds, within MOST_CONNECTIONS."""
    return max(8, min(MOST_CONNECTIONS, math.ceil(per_s * 2)))


class Run:
    """Signs up the customers at once. Then ``start``, ``join``, ``conclude``.

    Raises PlatformNotRunning, and Refused when the gateway refuses the customers or sells nothing.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.figures = Figures()
        self.outcome: Outcome | None = None
        shopper = Shopper(plan.gateway_url, timeout_s=plan.timeout_s)
        shopper.health()
        products = orderable(shopper)
        customers = [Customer(plan.gateway_url, timeout_s=plan.timeout_s) for _ in range(plan.customers)]
        self.outcomes = Outcomes(customers, self.figures)
        self.loop = OpenLoop(
            [Connection(customers[number % len(customers)]) for number in range(plan.connections)],
            products,
            self.figures,
            self.outcomes.accepted,
            per_s=plan.per_s,
            seconds=plan.seconds,
            grace_s=plan.timeout_s,
        )

    def start(self) -> None:
        if self.plan.poll_s is not None:
            self.outcomes.follow(self.plan.poll_s)
        self.loop.start()

    def conclude(self, *, settle_s: float | None = None) -> Outcome:
        """Wait for the last answers and for final orders. Returns the counts."""
        self.loop.stopping.set()
        self.loop.join()
        limit_s = self.plan.settle_s if settle_s is None else settle_s
        self.outcome = self.outcomes.conclude(limit_s, self.loop.unclear)
        return self.outcome

    def results(self) -> dict[str, Any]:
        """The figures so far. Durations are milliseconds; None where nothing was counted."""
        total = self.figures.total()
        outcome = self.outcome
        return {
            "sent": total.accepted + total.failed,
            "accepted": total.accepted,
            "failed": total.failed,
            "errors": dict(self.figures.errors.most_common()),
            "final": dict(self.figures.statuses.most_common()),
            **percentiles("post", total.answers),
            **percentiles("final", total.finals),
            "lost": outcome.lost if outcome else None,
            "doubled": outcome.doubled if outcome else None,
            "not_final": outcome.not_final if outcome else self.outcomes.open_orders,
        }


def percentiles(name: str, durations: Durations) -> dict[str, float | None]:
    found = {f"{name}_{key}_ms": durations.percentile_ms(share) for key, share in SHARES.items()}
    return {key: value if value is None else round(value, 1) for key, value in found.items()}

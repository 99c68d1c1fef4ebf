"""``/health``, ``/health/live`` and ``/health/ready``, answered from memory without a query.

The answers have the form of the services' (atoll.health). A failed required check gives ``unavailable``
(503), another failed check ``degraded`` (200).
"""

from collections.abc import Callable
from dataclasses import dataclass

from atoll import wire
from atoll.health.statuses import DEGRADED, OK, UNAVAILABLE
from atoll.server import lifecycle

SERVICE = "api-gateway"


@dataclass(frozen=True)
class Check:
    """``problem`` returns None while the check passes."""

    name: str
    required: bool
    problem: Callable[[], str | None]


class Health:
    def __init__(self, checks: list[Check], instance: str) -> None:
        self._checks = checks
        self._instance = instance

    def answer(self, path: bytes) -> tuple[int, bytes] | None:
        """Status and body. None for an unknown page."""
        match path:
            case b"/health":
                return self._report(OK)
            case b"/health/ready":
                state = lifecycle.state()
                return self._report(OK) if state == "ready" else (503, self._body(state, None))
            case b"/health/live":
                return 200, self._body(OK, None)
        return None

    def _report(self, status: str) -> tuple[int, bytes]:
        shown: dict[str, dict[str, object]] = {}
        for check in self._checks:
            problem = check.problem()
            shown[check.name] = {"status": UNAVAILABLE if problem else OK, "required": check.required}
            if problem:
                shown[check.name]["problem"] = problem
                status = UNAVAILABLE if check.required or status == UNAVAILABLE else DEGRADED
        return 503 if status == UNAVAILABLE else 200, self._body(status, shown)

    def _body(self, status: str, checks: dict[str, dict[str, object]] | None) -> bytes:
        body: dict[str, object] = {
            "status": status,
            "service": SERVICE,
            "instance": self._instance,
            "timestamp": wire.timestamp(),
        }
        return wire.dumps(body if checks is None else body | {"checks": checks})

"""The checks behind ``/health``. django-health-check runs them at the same time, each with a time limit."""

import asyncio
import dataclasses
import datetime
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from asgiref.sync import async_to_sync
from health_check import checks
from health_check.base import HealthCheck
from health_check.exceptions import ServiceWarning

TIMEOUT = datetime.timedelta(seconds=2)


@dataclasses.dataclass(frozen=True)
class Result:
    name: str
    required: bool
    problem: str | None
    duration_ms: float

    def shown(self) -> dict[str, Any]:
        shown = {
            "status": "ok" if self.problem is None else "unavailable",
            "required": self.required,
            "durationMs": self.duration_ms,
        }
        return shown if self.problem is None else shown | {"problem": self.problem}


class Degraded(ServiceWarning):
    """A check raises it for a fault that the service can bear for a while.

    ``/health`` shows the fault, and the service stays ready.
    """


@dataclasses.dataclass
class Database(checks.Database):
    timeout = TIMEOUT


@dataclasses.dataclass
class Call(HealthCheck):
    """A check that calls a function."""

    function: Callable[[], object] = dataclasses.field(repr=False)
    timeout = TIMEOUT

    def run(self) -> None:
        self.function()


_registered: dict[str, tuple[HealthCheck, bool]] = {}
_executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="health")


def register_check(name: str, function: Callable[[], object], *, required: bool = True) -> None:
    """At every probe, call ``function`` in another thread. It raises an exception to report a fault.

    It should end within two seconds. The text of its exception is shown only for a HealthCheckException:
    other texts may hold addresses and passwords. A fault of a check that is not ``required`` makes the
    service degraded and not unready. A check replaces an earlier one of the same name.
    """
    register(name, Call(function), required=required)


def register(name: str, check: HealthCheck, *, required: bool = True) -> None:
    """Like `register_check`, for a check of django-health-check."""
    _registered[name] = (check, required)


def run_checks() -> list[Result]:
    """Run all checks now."""
    return async_to_sync(_run_all)()


async def _run_all() -> list[Result]:
    registered = list(_registered.items())
    results = await asyncio.gather(*(check.get_result(_executor) for _, (check, _) in registered))
    return [
        Result(
            name,
            required and not isinstance(result.error, Degraded),
            str(result.error) if result.error else None,
            round(result.time_taken * 1000, 1),
        )
        for (name, (_, required)), result in zip(registered, results, strict=True)
    ]

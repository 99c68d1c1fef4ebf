"""``/health`` for people, ``/health/live`` and ``/health/ready`` for orchestrators.

Liveness asks no other server: no orchestrator should kill a process because its database is away.
Readiness is 503 while the instance starts or drains, and while a required check fails.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse

from atoll import conf, wire
from atoll.api.errors import JSON
from atoll.health.checks import Result, run_checks
from atoll.health.statuses import DEGRADED, OK, UNAVAILABLE
from atoll.server import lifecycle
from atoll.server.identity import instance_id


def live(request: HttpRequest) -> HttpResponse:
    return _answer(OK, 200)


def ready(request: HttpRequest) -> HttpResponse:
    state = lifecycle.state()
    if state != "ready":
        return _answer(state, 503)
    results = run_checks()
    status = summary(results)
    return _answer(status, 503 if status == UNAVAILABLE else 200, results)


def report(request: HttpRequest) -> HttpResponse:
    results = run_checks()
    status = summary(results)
    return _answer(status, 503 if status == UNAVAILABLE else 200, results)


def summary(results: list[Result]) -> str:
    if any(result.problem and result.required for result in results):
        return UNAVAILABLE
    return DEGRADED if any(result.problem for result in results) else OK


def _answer(status: str, code: int, results: list[Result] | None = None) -> HttpResponse:
    body: dict[str, Any] = {
        "status": status,
        "service": conf.service_name(),
        "instance": instance_id(conf.service_name()),
        "timestamp": wire.timestamp(),
    }
    if results is not None:
        body["checks"] = {result.name: result.shown() for result in results}
    return HttpResponse(
        wire.dumps(body), status=code, content_type=JSON, headers={"Cache-Control": "no-store"}
    )

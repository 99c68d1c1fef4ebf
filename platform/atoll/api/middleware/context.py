"""What a request belongs to, how long it took and what became of it."""

import logging
import re
import time
from collections.abc import Awaitable
from contextlib import AbstractContextManager
from typing import cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from atoll import context, metrics
from atoll.api.errors import plain_problem
from atoll.api.middleware.two_ways import Middleware

log = logging.getLogger("atoll.access")

DEADLINE_MS = re.compile(r"-?[0-9]{1,9}", re.ASCII)
SERVICE_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}", re.ASCII)
# Asked every few seconds by probes and scrapers: worth a line only when they fail.
QUIET_PATHS = ("/health", "/metrics")


class RequestContext(Middleware):
    """Outermost. Takes or makes the correlation and request ids, honours the caller's deadline.

    ``X-Deadline-Ms`` is how long the caller still waits; a request that arrives
    after it is answered 503 unworked. Ids that are malformed are replaced, never
    trusted. One log line and one measurement for each request.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if self.is_async:
            return self._answer_async(request)
        begun = time.monotonic()
        with _work(request, begun):
            response = _past_deadline(begun) or cast(HttpResponse, self.get_response(request))
            return _finish(request, response, begun)

    async def _answer_async(self, request: HttpRequest) -> HttpResponse:
        begun = time.monotonic()
        with _work(request, begun):
            response = _past_deadline(begun) or await self.get_response(request)
            return _finish(request, response, begun)


def _work(request: HttpRequest, begun: float) -> AbstractContextManager[None]:
    offered = request.headers.get("X-Deadline-Ms", "")
    left_s = int(offered) / 1000 if DEADLINE_MS.fullmatch(offered) else None
    return context.work(
        correlation_id=context.accept_correlation_id(request.headers.get("X-Correlation-ID")),
        deadline=None if left_s is None else begun + left_s,
    )


def _past_deadline(begun: float) -> HttpResponse | None:
    deadline = context.deadline()
    if deadline is None or deadline > begun:
        return None
    return plain_problem(503, message="The time the caller had is used up; nothing was done.").response()


def _finish(request: HttpRequest, response: HttpResponse, begun: float) -> HttpResponse:
    took_s = time.monotonic() - begun
    request_id = context.accept_correlation_id(request.headers.get("X-Request-ID"))
    response["X-Correlation-ID"] = context.correlation_id() or ""
    response["X-Request-ID"] = request_id
    response["X-Response-Time"] = f"{took_s * 1000:.1f}"
    response["X-Service-Name"] = settings.ATOLL_SERVICE
    route = _route(request)
    metrics.observe_request(request.method or "", route, response.status_code, took_s)
    quiet = request.path_info.startswith(QUIET_PATHS) and response.status_code < 400
    caller = request.headers.get("X-Service-Name", "")
    # Django would log errors once more, with less, where the correlation id is gone.
    response._has_been_logged = True  # type: ignore[attr-defined]
    log.log(
        logging.DEBUG if quiet else logging.INFO,
        "request",
        extra={
            "method": request.method,
            "path": request.path_info,
            "route": route,
            "status": response.status_code,
            "duration_ms": round(took_s * 1000, 1),
            "request_id": request_id,
            "caller": caller if SERVICE_NAME.fullmatch(caller) else None,
        },
    )
    return response


def _route(request: HttpRequest) -> str:
    """The pattern that matched, ``/orders/<id:order_id>``: few values, unlike paths."""
    match = getattr(request, "resolver_match", None)
    return f"/{match.route}" if match else metrics.NO_ROUTE

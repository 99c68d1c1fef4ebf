"""The context of a request, its log line and its measurement."""

import logging
import re
import time
from collections.abc import Awaitable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

from django.http import HttpRequest, HttpResponse

from atoll import conf, context, metrics, tracing
from atoll.api.errors import plain_problem
from atoll.api.middleware.two_ways import Middleware

log = logging.getLogger("atoll.access")

DEADLINE_MS = re.compile(r"-?[0-9]{1,9}", re.ASCII)
SERVICE_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}", re.ASCII)
# Probes and scrapers ask these every few seconds. Only failures are logged.
QUIET_PATHS = ("/health", "/metrics")
# Nor do these begin a trace: files, keys that every process fetches anew, and the question of reporters.
UNTRACED_PATHS = (*QUIET_PATHS, "/static/", "/.well-known/", "/bus/at-stake")


class RequestContext(Middleware):
    """The outermost middleware: correlation id, request id, the caller's deadline, log and metrics.

    ``X-Deadline-Ms`` is the time for which the caller still waits. A request without time left gets 503
    and no view runs. A malformed id is replaced by a new one. Each request makes one log line and one
    measurement.
    """

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        if self.is_async:
            return self._answer_async(request)
        begun = time.monotonic()
        with _work(request, begun), _span(request) as span:
            response = _past_deadline(begun) or cast(HttpResponse, self.get_response(request))
            return _finish(request, response, begun, span)

    async def _answer_async(self, request: HttpRequest) -> HttpResponse:
        begun = time.monotonic()
        with _work(request, begun), _span(request) as span:
            response = _past_deadline(begun) or await self.get_response(request)
            return _finish(request, response, begun, span)


def _work(request: HttpRequest, begun: float) -> AbstractContextManager[None]:
    offered = request.META.get("HTTP_X_DEADLINE_MS", "")
    left_s = int(offered) / 1000 if DEADLINE_MS.fullmatch(offered) else None
    return context.work(
        correlation_id=context.accept_correlation_id(request.META.get("HTTP_X_CORRELATION_ID")),
        deadline=None if left_s is None else begun + left_s,
    )


def _span(request: HttpRequest) -> AbstractContextManager[Any]:
    """The request's span, in the caller's trace. Probes, scrapes and files begin none."""
    parent = tracing.parse(request.META.get("HTTP_TRACEPARENT"))
    if parent is None and request.path_info.startswith(UNTRACED_PATHS):
        return nullcontext()
    facts = {
        "http.request.method": request.method,
        "url.scheme": request.scheme,
        "url.path": request.path_info,
    }
    return tracing.span(request.method or "", "server", parent=parent, attributes=facts)


def _past_deadline(begun: float) -> HttpResponse | None:
    deadline = context.deadline()
    if deadline is None or deadline > begun:
        return None
    return plain_problem(503, message="The time the caller had is used up; nothing was done.").response()


def _finish(request: HttpRequest, response: HttpResponse, begun: float, span: Any) -> HttpResponse:
    took_s = time.monotonic() - begun
    request_id = context.accept_correlation_id(request.META.get("HTTP_X_REQUEST_ID"))
    response["X-Correlation-ID"] = context.correlation_id() or ""
    response["X-Request-ID"] = request_id
    response["X-Response-Time"] = f"{took_s * 1000:.1f}"
    response["X-Service-Name"] = conf.service_name()
    route = _route(request)
    metrics.observe_request(request.method or "", route, response.status_code, took_s)
    if span is not None:
        _describe(span, request, route, response.status_code)
    quiet = request.path_info.startswith(QUIET_PATHS) and response.status_code < 400
    caller = request.META.get("HTTP_X_SERVICE_NAME", "")
    if SERVICE_NAME.fullmatch(caller):
        metrics.observe_caller(caller, response.status_code, took_s)
    # Django would log the error a second time, without the correlation id.
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


def _describe(span: Any, request: HttpRequest, route: str, status: int) -> None:
    span.update_name(f"{request.method} {route}")
    span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.fail(str(status))


def _route(request: HttpRequest) -> str:
    """The URL pattern of the request, such as ``/orders/<id:order_id>``: few values, unlike paths."""
    match = getattr(request, "resolver_match", None)
    return f"/{match.route}" if match else metrics.NO_ROUTE

"""A sample of the requests that the gateway answered, newest first."""

from datetime import timedelta
from typing import ClassVar

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from atoll.admin import ReadOnlyAdmin, journey_link, register_tile, short_id
from atoll.admin.badges import badge
from atoll.admin.times import TimeFilter
from atoll.identity.rights import Rights
from atoll.identity.roles import OPERATOR, SUPPORT
from gateway.models import RequestLog


@admin.register(RequestLog)
class RequestLogAdmin(ReadOnlyAdmin):
    rights: ClassVar[Rights] = {"view": (SUPPORT, OPERATOR)}
    list_display = (
        "time",
        "asked",
        "outcome",
        "route",
        "duration",
        "client",
        "user",
        "instance",
        "retries",
        "correlation",
    )
    list_filter = (("at", TimeFilter), "route", "method", "status", "code")
    search_fields = ("=correlation_id", "=user_id", "=client", "path")
    search_help_text = "The whole correlation id, user id or client address, or part of the path"
    date_hierarchy = "at"

    @admin.display(description="at (UTC)", ordering="id")
    def time(self, request: RequestLog) -> str:
        return f"{request.at:%m-%d %H:%M:%S}"

    @admin.display(description="request", ordering="path")
    def asked(self, request: RequestLog) -> str:
        return f"{request.method} {request.path}"

    @admin.display(description="user", ordering="user_id")
    def user(self, request: RequestLog) -> SafeString | str:
        return short_id(request.user_id, search="")

    @admin.display(description="correlation id", ordering="correlation_id")
    def correlation(self, request: RequestLog) -> SafeString | str:
        return format_html(
            "{}{}", short_id(request.correlation_id, search=""), journey_link(request.correlation_id)
        )

    @badge(
        description="status",
        ordering="status",
        colours={"ok": "success", "refused": "warning", "failed": "danger"},
    )
    def outcome(self, request: RequestLog) -> tuple[str, int]:
        kind = "failed" if request.status >= 500 else "refused" if request.status >= 400 else "ok"
        return kind, request.status

    @admin.display(description="ms", ordering="duration_ms")
    def duration(self, request: RequestLog) -> str:
        return f"{request.duration_ms:.1f}"


def _recent_server_errors() -> int:
    """Answers of 500 and above. Health pages do not count: a 503 there answers the supervisor's probe."""
    recent = RequestLog.objects.filter(at__gte=timezone.now() - timedelta(hours=1), status__gte=500)
    return recent.exclude(path__startswith="/health").count()


register_tile(
    "Server errors in the last hour",
    _recent_server_errors,
    url_name="admin:gateway_requestlog_changelist",
    query="status__gte=500",
    alarming=True,
)

"""The log lines of a journey, for its page, and the addresses of logs for other pages."""

from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils.http import urlencode

from atoll.dev.loglines import Wanted
from atoll.dev.logpages import Cursor, oldest
from registry.console.logs import asked as filters
from registry.console.logs import rows, source

SHOWN = 100
MAX_BYTES = 8_000_000
# Lines are written a little before the first span and after the last one.
SLACK = timedelta(seconds=2)


def of_journey(user: Any, correlation_id: str, begin: datetime, end: datetime) -> dict[str, Any]:
    """``lines`` as HTML where the platform keeps them, and ``url`` of all of them. Empty for other roles."""
    if not correlation_id or not source.may_read(user):
        return {}
    files = source.files()
    if not files:
        return {"url": source.elsewhere(correlation_id=correlation_id)}
    since, until = _time(begin - SLACK), _time(end + SLACK)
    query = {"correlation": correlation_id, "since": since, "until": until}
    wanted = Wanted(correlation=correlation_id)
    after, paths = Cursor(since), list(files.values())
    page = oldest(paths, wanted, SHOWN, after=after, until=until, max_bytes=MAX_BYTES)
    return {
        "url": f"{reverse('console:logs')}?{urlencode(query)}",
        "lines": rows.items(page.lines, filters.read(query, files)),
        "has_more": page.newer is not None,
        "count": len(page.lines),
    }


def address(*, service: str = "", instance: str = "", correlation: str = "") -> str:
    """The address of the lines that have all of this; empty where no log store is known."""
    if source.files():
        asked = {"service": service, "instance": instance, "correlation": correlation}
        return f"{reverse('console:logs')}?{urlencode({name: text for name, text in asked.items() if text})}"
    return source.elsewhere(correlation_id=correlation, service=service)


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

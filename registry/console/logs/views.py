"""``/console/logs``: the newest lines, the found ones, or those before or after a place."""

from django.http import HttpRequest, HttpResponse

from atoll.dev.loglines import LEVELS
from atoll.dev.logpages import Page, newest, oldest
from registry.console.logs import asked as filters
from registry.console.logs import rows, source
from registry.console.navigation import register_entry
from registry.console.pages import page, show
from registry.console.stream import PATH

SHOWN = 200
STREAM = f"{PATH}logs"

register_entry("Logs", "console:logs", place=30, also=("console:log-levels",), may=source.may_read)


@page
def logs(request: HttpRequest) -> HttpResponse:
    if not source.may_read(request.user):
        return show(request, "registry/console/logs_refused.html", "Logs", status=403)
    files = source.files()
    asked = filters.read(request.GET, files)
    if not files:
        values = asked.values
        elsewhere = source.elsewhere(correlation_id=values["correlation"], service=values["service"])
        return show(
            request, "registry/console/logs_elsewhere.html", "Logs", {"elsewhere": elsewhere} | values
        )
    context = {
        **asked.values,
        "problems": asked.problems,
        "processes": list(files),
        "services": filters.services(),
        "levels": LEVELS,
        "list": "" if asked.problems else rows.list_of(found(asked), asked),
        "stream": f"{STREAM}?{asked.query()}" if asked.is_live else "",
    }
    return show(request, "registry/console/logs.html", "Logs", context, status=400 if asked.problems else 200)


def found(asked: filters.Asked) -> Page:
    """The lines of a page without problems."""
    if asked.after:
        return oldest(asked.files, asked.wanted, SHOWN, after=asked.after, until=asked.wanted.until)
    since = asked.wanted.since
    return newest(asked.files, asked.wanted, SHOWN, before=asked.before, since=since)

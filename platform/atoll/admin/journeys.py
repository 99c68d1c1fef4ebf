"""Links from rows of the admins to journeys in the console."""

from urllib.parse import quote

from django.utils.html import format_html
from django.utils.safestring import SafeString

from atoll import conf


def journey_url(correlation_id: str) -> str:
    """The console's page about everything that belongs to a correlation id. Empty where the console's address
    is not known."""
    console = conf.console_url()
    return f"{console}journeys/{quote(correlation_id, safe='')}" if console and correlation_id else ""


def journey_link(correlation_id: str) -> SafeString:
    """``Journey`` as a link; empty without an address."""
    url = journey_url(correlation_id)
    if not url:
        return SafeString("")
    return format_html(
        ' <a class="text-primary-600 dark:text-primary-500 whitespace-nowrap" href="{}">Journey</a>', url
    )

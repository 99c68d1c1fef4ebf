"""Links from a row of one service to the rows about the same thing in the admins of other services."""

from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from atoll import conf

__all__ = ["address", "link"]


def address(project_name: str, place: str, **query: str) -> str:
    """The address of ``place`` (``orders/order/``) in a project's admin, or "" when it is not known.

    ``PROJECT_ADMIN_URL`` names the admin; in development it is at the project's own port.
    """
    start = conf.admin_url(project_name)
    if not start:
        return ""
    return f"{start}{place}?{urlencode(query)}" if query else f"{start}{place}"


def link(text: object, project_name: str, place: str, **query: str) -> SafeString | str:
    """``text`` as a link to ``address(...)``; the text alone when that is not known."""
    where = address(project_name, place, **query)
    return format_html('<a class="atoll-link" href="{}">{}</a>', where, text) if where else str(text)

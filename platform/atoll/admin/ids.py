"""Ids in lists: short on the page, whole in the tooltip."""

from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

# The end of a UUIDv7 is random; its beginning is nearly the same for a whole day.
TAIL_CHARS = 12
NOTHING = "–"


def short_id(value: object, *, search: str | None = None) -> SafeString | str:
    """The end of an id, with the whole id as tooltip.

    ``search`` makes it a link that searches for the id in the list at that address; ``""`` is the
    list itself. ``search_fields`` of that list must name the column.
    """
    whole = str(value or "")
    if not whole:
        return NOTHING
    shown = whole if len(whole) <= TAIL_CHARS else f"…{whole[-TAIL_CHARS:]}"
    if search is not None:
        return format_html(
            '<a class="whitespace-nowrap" href="{}?{}" title="{}">{}</a>',
            search,
            urlencode({"q": whole}),
            whole,
            shown,
        )
    return format_html('<span class="whitespace-nowrap" title="{}">{}</span>', whole, shown)

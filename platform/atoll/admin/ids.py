"""Ids in lists: short enough to compare by eye, whole when one needs them."""

from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

# The end of a UUIDv7 is its random part; the beginning is much the same for a whole day.
TAIL_CHARS = 12
NOTHING = "–"


def short_id(value: object, *, search: str | None = None) -> SafeString | str:
    """The end of an id, with the whole of it when pointed at.

    ``search`` makes it a link to all rows that the id finds in the list at that address,
    ``""`` for the list it stands in; ``search_fields`` of that list must name the column.
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

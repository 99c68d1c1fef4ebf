"""Tags of the bus's pages: style sheets, and what Django's own admin has no place for."""

from typing import Any

from django import template
from django.templatetags.static import static
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

register = template.Library()

# The functions import the admin: Django also loads this module in projects without an admin.


@register.simple_tag
def bus_styles() -> SafeString:
    from atoll.bus.admin.look import STYLES

    return format_html_join("\n", '<link href="{}" rel="stylesheet">', ((static(one),) for one in STYLES))


@register.simple_tag
def bus_refresh() -> str:
    """The address of the script that refreshes a part of a page."""
    from atoll.bus.admin.look import REFRESH

    return static(REFRESH)


@register.inclusion_tag("atoll/bus/plain/menu.html", takes_context=True)
def bus_menu(context: Any) -> dict[str, Any]:
    """Links to the bus's pages, at a site whose menu does not have them."""
    from django.contrib.admin import site

    from atoll.admin.pages import menu_entries

    request = context["request"]
    is_in_menu = getattr(site, "serves_pages", False)
    return {"request": request, "entries": [] if is_in_menu else menu_entries(request, "atoll_bus")}


@register.inclusion_tag("atoll/bus/plain/front.html", takes_context=True)
def bus_front(context: Any) -> dict[str, Any]:
    """Failing causes and figures, at a site whose first page does not have them."""
    from django.contrib.admin import site

    from atoll.admin.front_parts import front_parts
    from atoll.admin.tiles import tiles

    if getattr(site, "serves_pages", False):
        return {}
    request = context["request"]
    return {"parts": front_parts(request), "tiles": tiles(request.user.has_perm)}

"""The bar on every page of the admin that counts the unpublished changes."""

from typing import Any

from django import template
from django.db import Error
from django.template.context import RequestContext

from gateway.audit import name_of
from gateway.usecases.publish import draft

register = template.Library()
register.filter("person", name_of)


@register.inclusion_tag("gateway/bar.html", takes_context=True)
def draft_bar(context: RequestContext) -> dict[str, Any]:
    """Nothing without changes, on the page of review itself, and for accounts that may not look."""
    request = context.get("request")
    if request is None or not request.user.has_perm("gateway.view_publication"):
        return {}
    if getattr(request.resolver_match, "url_name", "") in ("gateway_review", "gateway_discard"):
        return {}
    try:
        waiting = draft().changes()
    except Error:
        return {}
    return {"count": len(waiting), "first": [change.text for change in waiting[:3]]}

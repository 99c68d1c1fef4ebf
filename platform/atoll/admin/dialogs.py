"""The answer to a dialog of an admin page."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect


def redirect(request: HttpRequest, address: str) -> HttpResponse:
    """Lead the browser from a dialog to ``address``. HTMX sends dialogs and follows ``HX-Redirect`` only."""
    if "HX-Request" in request.headers:
        return HttpResponse(headers={"HX-Redirect": address})
    return HttpResponseRedirect(address)

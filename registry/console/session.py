"""Sign-in and sign-out under the console's own address, with the session of the registry's admin."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from atoll.admin import site


@require_safe
def sign_in(request: HttpRequest) -> HttpResponse:
    """The admin's sign-in; afterwards the page ``next`` of the console."""
    wanted = request.GET.get("next", "")
    back = wanted if _is_ours(request, wanted) else reverse("console:board")
    if site.has_permission(request):
        return HttpResponseRedirect(back)
    if wanted != back:
        return HttpResponseRedirect(f"{reverse('console:sign-in')}?{urlencode({'next': back})}")
    return site.login(request)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Out of the console and of every admin."""
    return site.logout(request)


def _is_ours(request: HttpRequest, address: str) -> bool:
    is_here = url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return is_here and address.startswith(reverse("console:board"))

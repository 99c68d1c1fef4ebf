"""The admin of users while users is the issuer: the sign-in page of all admins, and the way out of them."""

from typing import cast
from uuid import UUID

from django.contrib.admin import AdminSite
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from atoll.admin import site
from atoll.identity.oidc import attempts, configuration
from services.users.models import RefreshFamily, User
from services.users.selectors import live_sign_in
from services.users.usecases.end_sessions import end_sign_in
from services.users.usecases.open_sign_in import open_sign_in

SID = "sid"
SIGNED_OUT = f"/admin{configuration.SIGNED_OUT}"
# A return to the authorization endpoint holds the whole request of a client.
MAX_RETURN_CHARS = 8192


class IssuerDoor:
    def sign_in(self, request: HttpRequest) -> HttpResponse:
        """The form. Answers 429 with ``Retry-After`` after too many attempts.

        The issuer has one address, so that all admins find the same session: the form moves there from
        another name of this machine.
        """
        main = configuration.places("users")[0]
        if request.method == "GET" and configuration.place_of(request) not in {None, main}:
            return HttpResponseRedirect(f"{configuration.issuer()}{request.get_full_path()}")
        return_to = request.POST.get("next") or request.GET.get("next") or ""
        if request.method == "GET" and site.has_permission(request):
            return HttpResponseRedirect(attempts.own_address(return_to, longest=MAX_RETURN_CHARS))
        page: HttpResponse = AdminSite.login(site, request, {"title": "Sign in", "site_title": "Atoll"})
        form = (getattr(page, "context_data", None) or {}).get("form")
        over_limit = getattr(form, "over_limit", None)
        if over_limit is not None:
            page.status_code = over_limit.status
            page.headers["Retry-After"] = str(over_limit.retry_after_s)
        elif page.status_code == 302:
            sign_in_of(request)
        return page

    def sign_out(self, request: HttpRequest) -> HttpResponse:
        end(request)
        return HttpResponseRedirect(SIGNED_OUT)

    def is_over(self, request: HttpRequest) -> bool:
        sid = request.session.get(SID)
        return sid is not None and live_sign_in(UUID(sid)) is None


def sign_in_of(request: HttpRequest) -> RefreshFamily:
    """The sign-in of a signed-in browser, opened by the first call of its session."""
    held = request.session.get(SID)
    found = live_sign_in(UUID(held)) if held else None
    if found is None:
        found = open_sign_in(cast(User, request.user))
        request.session[SID] = str(found.id)
    return found


def end(request: HttpRequest) -> None:
    """End the browser's session and its sign-in."""
    held = request.session.get(SID)
    if held:
        end_sign_in(UUID(held))
    logout(request)

"""The pages of the issuer: a browser asks for a code, and signs out of all admins."""

from urllib.parse import urlencode, urlsplit

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe
from oauth2_provider.models import Application

from atoll.admin import site
from atoll.admin.signing_in import problem
from services.users.admin.door import SID, SIGNED_OUT, end, sign_in_of
from services.users.oidc.clients import may_sign_out_to
from services.users.oidc.id_tokens import Hint, read_hint
from services.users.oidc.server import Answered, BadRequestOfClient, check_authorization, grant_code
from services.users.usecases.end_sessions import end_sign_in

NOT_REGISTERED = (
    "The address that sent you here is not registered for sign-in. Nothing was sent to it. An administrator "
    "registers it by PROJECT_PUBLIC_URL and `manage.py users sync_credentials`."
)


@never_cache
@require_safe
def authorize(request: HttpRequest) -> HttpResponse:
    """The authorization endpoint (RFC 6749 §3.1): sends the browser back to the client with a code.

    A visitor gets the sign-in page first; with ``prompt=none`` the client gets ``login_required``. An
    unknown client or address gets no redirect.
    """
    try:
        _scopes, credentials = check_authorization(request)
        if not site.has_permission(request):
            if request.GET.get("prompt") == "none":
                return _back(credentials["redirect_uri"], error="login_required", state=credentials["state"])
            return redirect_to_login(request.get_full_path(), "/admin/login/")
        return HttpResponseRedirect(grant_code(request, sign_in_of(request)))
    except BadRequestOfClient:
        return problem(request, 400, "Not registered", NOT_REGISTERED, link=("To the admin", "/admin/"))
    except Answered as refusal:
        return HttpResponseRedirect(refusal.location)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_out(request: HttpRequest) -> HttpResponse:
    """OpenID Connect RP-Initiated Logout 1.0: ends the sign-in, and leads back to the client.

    An ID token of this sign-in ends it without a question. Any other request asks first, so that no link of
    a stranger signs anybody out.
    """
    hint = read_hint(request.GET.get("id_token_hint", "")) if request.method != "POST" else None
    held = request.session.get(SID)
    if hint is not None and (held is None or held == str(hint.sid)):
        end_sign_in(hint.sid)
        end(request)
        return _after(request, hint)
    if request.method == "POST":
        end(request)
        return HttpResponseRedirect(SIGNED_OUT)
    if not site.has_permission(request):
        return HttpResponseRedirect(SIGNED_OUT)
    page = {**site.each_context(request), "title": "Sign out"}
    return TemplateResponse(request, "users/sign_out.html", page)


def _after(request: HttpRequest, hint: Hint) -> HttpResponse:
    """To the client if the address is registered for it, else to the page of this admin."""
    wanted = request.GET.get("post_logout_redirect_uri", "")
    named = request.GET.get("client_id", hint.client_id)
    client = Application.objects.filter(client_id=hint.client_id).first()
    if client is None or named != hint.client_id or not may_sign_out_to(client, wanted):
        return HttpResponseRedirect(SIGNED_OUT)
    return _back(wanted, state=request.GET.get("state"))


def _back(address: str, **told: str | None) -> HttpResponse:
    given = {name: value for name, value in told.items() if value}
    if not given:
        return HttpResponseRedirect(address)
    return HttpResponseRedirect(f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(given)}")

"""The admin as a client of its issuer: into the admin, out of it, and what the issuer ends."""

import logging
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from atoll import conf
from atoll.admin import site
from atoll.errors import Unavailable
from atoll.identity.oidc import admin_sessions, attempts, configuration
from atoll.identity.oidc.claims import BadClaims, read_id_token, read_logout_token
from atoll.identity.oidc.issuers import Issuer, Refused
from atoll.identity.oidc.outside_issuer import outside
from atoll.identity.oidc.own_issuer import OwnIssuer
from atoll.identity.oidc.sessions import held_sign_in

log = logging.getLogger(__name__)

SCOPE = "openid email profile"
RETRY_AFTER_S = 5
MAX_CODE_CHARS = 2048
AGAIN = "Sign in again"
NOT_BEGUN_HERE = (
    "This sign-in was not begun in this browser, or it took more than ten minutes. Cookies must be allowed."
)
NOT_ACCEPTED = "The answer of the issuer is not valid, or it was used before. Nobody was signed in."


def issuer() -> Issuer:
    name = configuration.outside_issuer()
    return outside(name) if name else OwnIssuer()


class ClientDoor:
    """The door of a project that is not the issuer."""

    def sign_in(self, request: HttpRequest) -> HttpResponse:
        """Sends the browser to the issuer. Answers 503 with a way to try again while it does not answer."""
        if request.method not in {"GET", "HEAD"}:
            return HttpResponse(status=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET, HEAD"})
        return_to = _return_to(request)
        if site.has_permission(request):
            return HttpResponseRedirect(return_to)
        place = configuration.place_of(request)
        if place is None:
            return elsewhere(request, return_to)
        try:
            endpoint = issuer().authorization_endpoint()
        except Unavailable as error:
            return away(request, error, return_to)
        attempt = attempts.begin(request, return_to)
        asked = {
            "response_type": "code",
            "client_id": configuration.client_id(),
            "redirect_uri": f"{place}{configuration.CALLBACK}",
            "scope": SCOPE,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        response = HttpResponseRedirect(_with_query(endpoint, asked))
        attempt.remember(response)
        return response

    def sign_out(self, request: HttpRequest) -> HttpResponse:
        """Ends the session here, and sends the browser to the issuer, which ends the sign-in everywhere."""
        held = held_sign_in(request)
        place = configuration.place_of(request) or configuration.places(conf.project_name())[0]
        here = f"{urlsplit(place).path}{configuration.SIGNED_OUT}"
        admin_sessions.close_session(request)
        if held is None:
            return HttpResponseRedirect(here)
        try:
            endpoint = issuer().end_session_endpoint()
        except Unavailable as error:
            log.warning("the issuer does not answer a sign-out: %s", error)
            return only_here(request)
        if endpoint is None:
            return HttpResponseRedirect(here)
        asked = {
            "id_token_hint": held.token,
            "client_id": configuration.client_id(),
            "post_logout_redirect_uri": f"{place}{configuration.SIGNED_OUT}",
        }
        return HttpResponseRedirect(_with_query(endpoint, asked))

    def is_over(self, request: HttpRequest) -> bool:
        held = held_sign_in(request)
        return held is not None and admin_sessions.is_over(request, held)


@never_cache
@require_safe
def callback(request: HttpRequest) -> HttpResponse:
    """The return from the issuer, with a code or an error. Signs the browser in under a new session id."""
    try:
        attempt = attempts.resume(request, request.GET.get("state", ""))
    except attempts.BadState:
        if site.has_permission(request):
            return HttpResponseRedirect(_home(request))
        return problem(request, 400, "Not signed in", NOT_BEGUN_HERE)
    if "error" in request.GET:
        log.warning("the issuer refused a sign-in: %.80s", request.GET["error"])
        return problem(
            request, 400, "Not signed in", "The issuer refused the sign-in.", return_to=attempt.return_to
        )
    try:
        signed_in = _exchanged(request, attempt)
    except Unavailable as error:
        return away(request, error, attempt.return_to)
    except (Refused, BadClaims) as error:
        log.warning("a sign-in is not accepted: %s", error)
        return problem(request, 400, "Not signed in", NOT_ACCEPTED, return_to=attempt.return_to)
    user = authenticate(request, signed_in=signed_in)
    if user is None:
        text = f"The account {signed_in.email or signed_in.subject} has no role, so it opens no admin."
        return problem(request, 403, "Not for this account", text, return_to=attempt.return_to)
    admin_sessions.open_session(request, user, signed_in)
    response = HttpResponseRedirect(attempt.return_to)
    attempts.forget(response)
    return response


@never_cache
@require_safe
def signed_out(request: HttpRequest) -> HttpResponse:
    """The page after a sign-out; for a browser that is signed in, the admin."""
    if site.has_permission(request):
        return HttpResponseRedirect(_home(request))
    return problem(
        request,
        200,
        "Signed out",
        "You are signed out of all admins.",
        link=(AGAIN, configuration.sign_in_path(request)),
    )


@csrf_exempt
@never_cache
@require_POST
def back_channel_logout(request: HttpRequest) -> HttpResponse:
    """OpenID Connect Back-Channel Logout 1.0 §2.5: ends the sessions of a sign-in or of a person."""
    token = request.POST.get("logout_token", "")
    found = issuer()
    try:
        ended = read_logout_token(
            token, found.find_key, issuer=found.name, client_id=configuration.client_id()
        )
    except BadClaims as error:
        log.warning("a logout token is refused: %s", error)
        return _told(400, {"error": "invalid_request", "error_description": "The logout token is not valid."})
    except Unavailable:
        return _told(503, {"error": "temporarily_unavailable"})
    count = admin_sessions.end_sessions(found.name, ended)
    log.info("the issuer ended %d sessions", count)
    return _told(200, {})


def _exchanged(request: HttpRequest, attempt: attempts.Attempt) -> Any:
    """Raises Refused, BadClaims and Unavailable."""
    found = issuer()
    code = request.GET.get("code", "")
    if not code or len(code) > MAX_CODE_CHARS or request.GET.get("iss", found.name).rstrip("/") != found.name:
        raise Refused("no code of this issuer")
    place = configuration.place_of(request)
    if place is None:
        raise Refused("the address of the return is not registered")
    token = found.exchange(code, verifier=attempt.verifier, redirect_uri=f"{place}{configuration.CALLBACK}")
    return read_id_token(
        token,
        found.find_key,
        issuer=found.name,
        client_id=configuration.client_id(),
        nonce=attempt.nonce,
        roles_claim=configuration.roles_claim(),
    )


def elsewhere(request: HttpRequest, return_to: str) -> HttpResponse:
    main = conf.origin(configuration.places(conf.project_name())[0])
    text = f"This admin is not known under {request.get_host()}. Open it under its own address."
    return problem(request, 400, "Another address", text, link=(main, f"{main}{return_to}"))


def away(request: HttpRequest, error: Unavailable, return_to: str) -> HttpResponse:
    log.warning("nobody can sign in: %s", error)
    name = "users service" if error.service == "user-service" else "issuer"
    text = f"Sign-in is not possible right now: the {name} does not answer. Running sessions go on."
    page = problem(request, 503, "Sign-in is not possible", text, return_to=return_to, label="Try again")
    page["Retry-After"] = str(RETRY_AFTER_S)
    return page


def only_here(request: HttpRequest) -> HttpResponse:
    text = (
        "You are signed out of this admin alone, because the issuer does not answer. Other admins that you "
        "opened in this browser stay open: sign out there again later."
    )
    return problem(request, 503, "Signed out here", text)


def problem(
    request: HttpRequest,
    status: int,
    title: str,
    text: str,
    *,
    return_to: str = "",
    label: str = AGAIN,
    link: tuple[str, str] | None = None,
) -> HttpResponse:
    """A page of the admin's design for a browser that is not signed in, with one link onwards."""
    asked = urlencode({"next": return_to or _home(request)})
    onwards = link or (label, f"{configuration.sign_in_path(request)}?{asked}")
    page = {**site.each_context(request), "title": title, "text": text, "link": onwards}
    return TemplateResponse(request, "atoll/admin/signing_in.html", page, status=status)


def _return_to(request: HttpRequest) -> str:
    return attempts.own_address(request.GET.get("next", ""), default=_home(request))


def _home(request: HttpRequest) -> str:
    """The first page of the place: of the console or of the admin."""
    return f"{configuration.CONSOLE}/" if request.path.startswith(configuration.CONSOLE) else "/admin/"


def _told(status: int, answer: dict[str, str]) -> HttpResponse:
    response = JsonResponse(answer, status=status)
    # The caller is a program: no page replaces this answer.
    response.is_problem_page = True  # type: ignore[attr-defined]
    return response


def _with_query(endpoint: str, asked: dict[str, str]) -> str:
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"

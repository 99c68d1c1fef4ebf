"""The issuer of the admins' sign-in, and this project as its client."""

from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest

from atoll import conf

ADMIN_SIGN_IN = "/admin/login/"
CONSOLE, CONSOLE_SIGN_IN = "/console", "/console/sign-in"
# Below each place.
CALLBACK = "/oidc/callback"
SIGNED_OUT = "/oidc/signed-out"
BACK_CHANNEL = "/oidc/back-channel-logout"
USERS_ROLES_CLAIM = "roles"
KEYCLOAK_ROLES_CLAIM = "realm_access.roles"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def outside_issuer() -> str:
    """ATOLL_OIDC_ISSUER, without a slash at the end; empty when users is the issuer.

    Raises ImproperlyConfigured for an address without TLS that is not on this machine.
    """
    url = conf.web_address("ATOLL_OIDC_ISSUER").rstrip("/")
    if url.startswith("http://") and urlsplit(url).hostname not in LOOPBACK:
        raise ImproperlyConfigured(f"ATOLL_OIDC_ISSUER={url!r} must begin with https://.")
    return url


def issuer() -> str:
    return outside_issuer() or conf.public_urls("users")[0]


def roles_claim() -> str:
    """The claim with the list of roles; a dot leads into an object."""
    default = KEYCLOAK_ROLES_CLAIM if outside_issuer() else USERS_ROLES_CLAIM
    return conf.variable("ATOLL_OIDC_ROLES_CLAIM") or default


def client_id() -> str:
    """PROJECT_OIDC_CLIENT_ID, else the name of the service: ``order-service``."""
    own: str = settings.ATOLL_SERVICE
    if not outside_issuer():
        return own
    return conf.variable("OIDC_CLIENT_ID", settings.ATOLL_PROJECT) or own


def client_secret() -> str:
    """At users the SERVICE_SECRET, which users knows already; elsewhere PROJECT_OIDC_CLIENT_SECRET."""
    project = settings.ATOLL_PROJECT
    if not outside_issuer():
        return conf.secret("SERVICE_SECRET", project)
    secret = conf.variable("OIDC_CLIENT_SECRET", project)
    if not secret:
        own = conf.own_name("OIDC_CLIENT_SECRET", project)
        raise ImproperlyConfigured(f"ATOLL_OIDC_ISSUER is set, and {own} is not.")
    return secret


def places(project_name: str) -> tuple[str, ...]:
    """The addresses below which a project signs people in: its admin and, of the registry, the console,
    which the gateway serves, too. The first is the main one."""
    urls = conf.public_urls(project_name)
    found = [f"{url}/admin" for url in urls]
    if project_name == "registry":
        beside = conf.public_urls("gateway") if "gateway" in conf.projects() else ()
        found += [f"{url}{CONSOLE}" for url in (*urls, *beside)]
    return tuple(dict.fromkeys(found))


def place_of(request: HttpRequest) -> str | None:
    """The registered place of a request; None under another host.

    The scheme is not compared: a proxy may end TLS and not say so.
    """
    host, top = request.get_host(), CONSOLE if request.path.startswith(CONSOLE) else "/admin"
    return next(
        (
            place
            for place in places(settings.ATOLL_PROJECT)
            if (urlsplit(place).netloc, urlsplit(place).path) == (host, top)
        ),
        None,
    )


def sign_in_path(request: HttpRequest) -> str:
    """The address that begins a sign-in at the place of the request."""
    return CONSOLE_SIGN_IN if request.path.startswith(CONSOLE) else ADMIN_SIGN_IN

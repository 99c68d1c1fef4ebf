"""Lets probes ask an instance by its address, with a Host that ALLOWED_HOSTS does not list."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from atoll.api.middleware.two_ways import Middleware

PATHS = frozenset({"/health", "/health/live", "/health/ready"})


class Probes(Middleware):
    """``/health``, ``/health/live`` and ``/health/ready`` answer to every Host, and to none (HTTP/1.0).

    Orchestrators, load balancers and other services know an instance by an address that ALLOWED_HOSTS
    cannot list. These pages make no link and set no cookie, so that a forged Host can do no harm.
    """

    def before(self, request: HttpRequest) -> HttpResponse | None:
        if request.path_info in PATHS:
            request.META.pop("HTTP_X_FORWARDED_HOST", None)
            request.META["HTTP_HOST"] = accepted_host()
        return None


def accepted_host() -> str:
    """A Host that this project accepts."""
    named = [host for host in settings.ALLOWED_HOSTS if host != "*" and not host.startswith(".")]
    return named[0] if named else "localhost"

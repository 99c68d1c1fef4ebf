"""The middleware of every request, from the outside: context, headers, JSON errors, NUL, bodies, probes."""

from atoll.api.middleware.bodies import BodyLimit
from atoll.api.middleware.context import RequestContext
from atoll.api.middleware.json_errors import JSONErrors
from atoll.api.middleware.nul import NoNul
from atoll.api.middleware.page_headers import PageHeaders
from atoll.api.middleware.probes import Probes

__all__ = ["BodyLimit", "JSONErrors", "NoNul", "PageHeaders", "Probes", "RequestContext"]

"""What surrounds every request, outermost first: context, JSON errors, addresses, bodies."""

from atoll.api.middleware.addresses import CleanAddress
from atoll.api.middleware.bodies import BodyLimit
from atoll.api.middleware.context import RequestContext
from atoll.api.middleware.json_errors import JSONErrors

__all__ = ["BodyLimit", "CleanAddress", "JSONErrors", "RequestContext"]

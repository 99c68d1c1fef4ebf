"""What surrounds every request, outermost first: context, JSON errors, bodies."""

from atoll.api.middleware.bodies import BodyLimit
from atoll.api.middleware.context import RequestContext
from atoll.api.middleware.json_errors import JSONErrors

__all__ = ["BodyLimit", "JSONErrors", "RequestContext"]

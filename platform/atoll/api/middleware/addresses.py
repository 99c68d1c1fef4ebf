"""Addresses with a character no database can hold."""

from django.http import HttpRequest, HttpResponse

from atoll.api.errors import plain_problem
from atoll.api.middleware.two_ways import Middleware


class CleanAddress(Middleware):
    """Answers 400 to NUL in path or query: PostgreSQL has no such text, so nothing can match it."""

    def before(self, request: HttpRequest) -> HttpResponse | None:
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            return plain_problem(400, message="The address contains the NUL character.").response()
        return None

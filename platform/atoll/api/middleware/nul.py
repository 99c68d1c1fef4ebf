"""Refuses text with NUL, a character that PostgreSQL cannot store."""

from django.http import HttpRequest, HttpResponse

from atoll.api.errors import plain_problem
from atoll.api.middleware.two_ways import Middleware


class NoNul(Middleware):
    """Answers 400 to NUL in the path, the query or a cookie. No row can match such a text.

    A cookie holds NUL when its value is quoted and escaped (``"\\000"``): Django unescapes it and
    looks for a session with that key.
    """

    def before(self, request: HttpRequest) -> HttpResponse | None:
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            return plain_problem(400, message="The address contains the NUL character.").response()
        if "\\" in request.META.get("HTTP_COOKIE", "") and "\0" in "".join(request.COOKIES.values()):
            return plain_problem(400, message="A cookie contains the NUL character.").response()
        return None

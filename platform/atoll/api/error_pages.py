"""Error pages for people: errors of the admin as a page in its design, without internal details."""

import dataclasses

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from atoll import context
from atoll.api.errors import Problem, plain_problem

HTML_PATHS = ("/admin/", "/console/")

# The messages of the error shape tell a program how to ask. People get these instead.
_WORDS = {
    400: "This address, or what was sent to it, cannot be read. Nothing was changed.",
    403: "You are not allowed to see this page or to do this. Nothing was changed.",
    404: "There is no such page, or the thing that it showed is gone.",
    405: "This address cannot be asked this way. Nothing was changed.",
}
FORM_EXPIRED = (
    "The form was open too long, or you signed in again in another tab. Nothing was changed: go back, "
    "load the page again, and repeat what you wanted. Cookies must be allowed."
)


def speaks_html(path: str) -> bool:
    """Whether errors at this address are pages for browsers. Everywhere else they are JSON for programs."""
    return path in ("/admin", "/console") or path.startswith(HTML_PATHS)


def answer(problem: Problem, *, path: str) -> HttpResponse:
    """The problem as a page or in the error shape, as the address asks. The page needs no database."""
    if not speaks_html(path):
        return problem.response()
    if problem.message == plain_problem(problem.status).message:
        problem = dataclasses.replace(problem, message=_WORDS.get(problem.status, problem.message))
    # The gateway serves the console under its own host, where /admin/ is the admin of the gateway.
    home = "console" if path.startswith("/console") else "admin"
    page = render_to_string(
        "atoll/api/error.html",
        {"problem": problem, "correlation_id": context.correlation_id(), "home": home},
    )
    response = HttpResponse(page, status=problem.status, headers=problem.headers)
    response["Cache-Control"] = "no-store"
    response["Content-Length"] = str(len(response.content))
    response.is_problem_page = True  # type: ignore[attr-defined]
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """``CSRF_FAILURE_VIEW`` of every project. The answer does not give the ``reason``."""
    return plain_problem(403, message=FORM_EXPIRED).response()

"""Requests of an API pass Django's middleware for pages by; pages keep all of it."""

from typing import Any

import pytest
from django.test import Client

from atoll.api.middleware import pages

SKIPPED = (
    pages.SecurityMiddleware,
    pages.SessionMiddleware,
    pages.CsrfViewMiddleware,
    pages.AuthenticationMiddleware,
    pages.MessageMiddleware,
    pages.XFrameOptionsMiddleware,
)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the middleware of Django that had a part in an answer."""
    found: set[str] = set()

    def watch(kind: type, hook: str) -> None:
        django = kind.__mro__[2]
        step = getattr(django, hook)

        def noted(self: Any, *arguments: Any) -> Any:
            if isinstance(self, kind):
                found.add(kind.__name__)
            return step(self, *arguments)

        monkeypatch.setattr(django, hook, noted)

    for kind in SKIPPED:
        for hook in ("process_request", "process_response", "process_view"):
            if hasattr(kind.__mro__[2], hook):
                watch(kind, hook)
    return found


def test_an_api_request_needs_none_of_them(ran: set[str]) -> None:
    answer = Client().get("/nowhere")

    assert ran == set()
    assert answer.status_code == 404
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Length"] == str(len(answer.content))


@pytest.mark.django_db
def test_a_page_needs_all_of_them(ran: set[str]) -> None:
    Client().get("/admin/oidc/signed-out")

    assert ran == {kind.__name__ for kind in SKIPPED}


def test_an_api_request_for_another_host_is_refused() -> None:
    assert Client().get("/nowhere", HTTP_HOST="elsewhere.example").status_code == 400

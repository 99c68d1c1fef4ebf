"""The short way of negotiation answers as REST framework's own."""

import pytest
from django.test import RequestFactory
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request

from atoll.api.negotiation import ContentNegotiation
from atoll.api.renderers import JSONRenderer


def chosen(kind: type[DefaultContentNegotiation], accept: str | None) -> str | None:
    """The accepted media type; None when nothing is acceptable."""
    headers = {} if accept is None else {"HTTP_ACCEPT": accept}
    request = Request(RequestFactory().get("/", **headers))
    try:
        renderer, media_type = kind().select_renderer(request, [JSONRenderer()])
    except NotAcceptable:
        return None
    assert isinstance(renderer, JSONRenderer)
    return media_type


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "*/*",
        "application/json",
        "application/*",
        "text/html, */*;q=0.1",
        "text/html",
        "application/json; indent=8",
        "",
    ],
)
def test_it_answers_as_rest_framework_does(accept: str | None) -> None:
    assert chosen(ContentNegotiation, accept) == chosen(DefaultContentNegotiation, accept)


@pytest.mark.parametrize("accept", ["*/*", "application/json"])
def test_the_usual_clients_cost_no_parsing(accept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DefaultContentNegotiation, "select_renderer", None)

    assert chosen(ContentNegotiation, accept) == "application/json"

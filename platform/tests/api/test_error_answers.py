"""Every error a service can produce has one shape and tells nothing it should not."""

import logging

import pytest
from testproject.views import SECRET, NotesView

from atoll.errors import NotAllowed

SHAPE = {"error", "message", "code", "correlationId", "details"}
CORRELATION = "01a2061b-478a-7783-8423-c46ab3baa7a8"


@pytest.fixture
def forgiving(client):
    client.raise_request_exception = False
    return client


def get(client, path, **headers):
    return client.get(path, headers={"X-Correlation-ID": CORRELATION, **headers})


@pytest.mark.parametrize("view", ["failing", "failing-django"])
@pytest.mark.parametrize(
    ("how", "status", "error", "code"),
    [
        ("not-found", 404, "Note not found", "note_not_found"),
        ("not-signed-in", 401, "Access token required", "access_token_required"),
        ("too-many", 429, "Too many requests from this IP", "too_many_requests"),
        ("unavailable", 503, "Service temporarily unavailable", "service_unavailable"),
        ("database", 503, "Service temporarily unavailable", "service_unavailable"),
        ("out-of-range", 400, "Invalid request", "invalid_request"),
        ("invalid", 400, "Invalid request", "invalid_input"),
        ("unexpected", 500, "Internal server error", "internal_error"),
    ],
)
def test_an_error_raised_anywhere_becomes_the_shape(forgiving, view, how, status, error, code):
    response = get(forgiving, f"/{view}/{how}")
    body = response.json()
    assert (response.status_code, body["error"], body["code"]) == (status, error, code)
    assert set(body) == SHAPE
    assert body["correlationId"] == response["X-Correlation-ID"] == CORRELATION
    assert response["Content-Type"] == "application/json"
    assert SECRET not in response.content.decode()
    assert "Traceback" not in response.content.decode()


def test_the_unexpected_is_logged_with_its_traceback(forgiving, caplog):
    get(forgiving, "/failing/unexpected")
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.message == "unexpected error"
    assert record.exc_info is not None and SECRET in str(record.exc_info[1])


def test_the_unexpected_still_reaches_whoever_watches_for_it(client):
    with pytest.raises(RuntimeError, match="unexpected"):
        client.get("/failing/unexpected")


@pytest.mark.parametrize(
    ("how", "header", "value"),
    [
        ("not-signed-in", "WWW-Authenticate", "Bearer"),
        ("too-many", "Retry-After", "30"),
        ("unavailable", "Retry-After", "2"),
        ("database", "Retry-After", "1"),
    ],
)
def test_an_error_carries_the_headers_that_tell_what_to_do(client, how, header, value):
    assert get(client, f"/failing/{how}")[header] == value


def test_details_are_in_camel_case(client):
    assert get(client, "/failing/not-found").json()["details"] == {"noteId": 7}
    assert get(client, "/failing/invalid").json()["details"] == {"unitPrice": ["A valid number is required."]}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/notes/", 404, "not_found"),
        ("GET", "/static/nothing.css", 404, "not_found"),
        ("GET", "/%00", 400, "invalid_request"),
        ("GET", "/failing/a%00b", 400, "invalid_request"),
        ("GET", "/notes?search=a%00b", 400, "invalid_request"),
        ("GET", f"/notes/{'9' * 5000}", 404, "not_found"),
        ("GET", "/%ff", 404, "not_found"),
        ("POST", "/nowhere", 404, "not_found"),
        ("DELETE", "/echo", 405, "method_not_allowed"),
        ("BREW", "/echo", 405, "method_not_allowed"),
        ("POST", "/health", 405, "method_not_allowed"),
    ],
)
def test_what_no_view_answers_has_the_shape_too(client, method, path, status, code):
    response = client.generic(method, path, headers={"X-Correlation-ID": CORRELATION})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert set(response.json()) == SHAPE
    assert response.json()["correlationId"] == CORRELATION


def test_a_cookie_with_an_escaped_nul_is_refused(client):
    headers = {"Cookie": 'library_session="abcdefgh\\000"'}
    response = client.get("/notes", headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")
    page = client.get("/admin/", headers=headers)
    assert (page.status_code, page["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert b"A cookie contains the NUL character." in page.content
    assert set(response.json()) == SHAPE


@pytest.mark.django_db
def test_a_cookie_with_other_escapes_is_read(client):
    assert client.get("/notes", headers={"Cookie": 'theme="dark\\054wide"'}).status_code == 200


def test_options_names_the_methods_even_those_the_caller_may_not_use(client, monkeypatch):
    def refuse(view, request):
        if request.method == "POST":
            raise NotAllowed("Not yours.")

    monkeypatch.setattr(NotesView, "check_permissions", refuse)
    response = client.options("/notes")
    assert (response.status_code, response.content) == (200, b"")
    assert response["Allow"] == "GET, POST, HEAD, OPTIONS"


def test_a_method_that_is_not_allowed_names_those_that_are(client):
    assert client.post("/health")["Allow"] == "GET, HEAD"
    assert client.delete("/failing/not-found")["Allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.django_db
@pytest.mark.parametrize("pk", ["7", "9" * 30])
def test_a_missing_row_is_not_found(client, pk):
    response = get(client, f"/notes/{pk}")
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_an_answer_nobody_can_give_is_not_acceptable(client):
    response = client.get("/echo", headers={"Accept": "application/xml"})
    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")


def test_a_host_that_is_not_ours_is_refused_in_the_shape(client):
    response = client.get("/form", headers={"Host": "evil.example"})
    assert response.status_code == 400
    assert set(response.json()) == SHAPE


@pytest.mark.django_db
def test_the_admin_keeps_its_pages(client):
    assert client.get("/admin/oidc/signed-out")["Content-Type"].startswith("text/html")
    assert client.get("/admin")["Location"] == "/admin/"

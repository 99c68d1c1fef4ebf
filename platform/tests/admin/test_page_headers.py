"""The headers of pages for browsers, and a browser that finds no violation."""

import shutil
import subprocess
import sys

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.test import Client
from testproject.models import Note, Stamp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
BACKEND = "atoll.identity.backends.AccountBackend"


def policy(response) -> dict[str, str]:
    parts = (part.split(" ", 1) for part in response["Content-Security-Policy"].split("; "))
    return dict(parts)


@pytest.fixture
def staff(db) -> Client:
    client = Client(raise_request_exception=False)
    user = User.objects.create(username="ada", password=make_password(None), is_staff=True, is_superuser=True)
    client.force_login(user, backend=BACKEND)
    return client


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "status", "script"),
    [
        ("/admin/", 200, "'self' 'unsafe-eval'"),
        ("/admin/testproject/note/", 200, "'self' 'unsafe-eval'"),
        ("/admin/nowhere/", 404, None),
        ("/docs", 200, "'self'"),
        ("/notes", 200, None),
        ("/nowhere", 404, None),
        ("/notes?page=x", 400, None),
        ("/health", 200, None),
        ("/failing/other", 500, None),
        ("/notes?a=%00", 400, None),
    ],
)
def test_every_answer_says_what_may_run_in_it(staff, path, status, script):
    response = staff.get(path)
    assert response.status_code == status
    found = policy(response)
    assert (found["default-src"], found.get("script-src")) == ("'none'", script)
    assert (found["frame-ancestors"], found["base-uri"]) == ("'none'", "'none'")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.django_db
class TestErrorsOfTheAdmin:
    """Django's own pages, in our looks and without detail."""

    def page(self, response, status: int, words: str) -> None:
        text = response.content.decode()
        assert (response.status_code, response["Content-Type"]) == (status, "text/html; charset=utf-8")
        assert words in text
        assert "atoll/api/error.css" in text
        assert "<script" not in text
        assert response["X-Correlation-ID"] in text

    def test_a_host_that_is_not_ours(self, client):
        self.page(client.get("/admin/login/", HTTP_HOST="evil.example"), 400, "cannot be read")

    def test_a_form_without_its_token(self):
        answer = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "a"})
        self.page(answer, 403, "The form was open too long")

    def test_a_page_that_does_not_exist(self, staff):
        self.page(staff.get("/admin/testproject/nowhere/"), 404, "There is no such page")

    def test_a_crash(self, staff, monkeypatch):
        def crash(*_):
            raise RuntimeError("postgres://root:hunter2@10.0.0.7")

        monkeypatch.setattr("atoll.admin.sites.tiles", crash)
        answer = staff.get("/admin/")
        self.page(answer, 500, "Something went wrong on our side")
        assert b"hunter2" not in answer.content

    def test_a_form_of_too_many_fields(self, staff):
        answer = staff.post("/admin/testproject/note/", {f"f{number}": "1" for number in range(1500)})
        self.page(answer, 400, "Nothing was changed")

    def test_a_form_that_is_too_large(self, staff):
        answer = staff.post("/admin/testproject/note/", {"text": "x" * 1_100_000})
        self.page(answer, 413, "At most 1048576 bytes")

    def test_a_lookup_that_is_not_allowed(self, staff):
        self.page(staff.get("/admin/testproject/note/?_to_field=nowhere&_popup=1"), 400, "cannot be read")

    def test_programs_get_json_for_the_same(self, client):
        for response in (client.get("/notes", HTTP_HOST="evil.example"), client.get("/nowhere")):
            assert response["Content-Type"] == "application/json"
            assert response.json()["correlationId"] == response["X-Correlation-ID"]


@pytest.mark.django_db(transaction=True)
def test_a_browser_finds_nothing_on_a_page_that_its_policy_forbids(staff, live_server, settings):
    sync_api = pytest.importorskip("playwright.sync_api")
    driver = [sys.executable, "-m", "playwright", "--version"]
    if CHROMIUM is None or subprocess.run(driver, capture_output=True, check=False).returncode != 0:
        pytest.skip("no Chromium, or no Playwright, on this machine (Debian: chromium, libatomic1)")
    note, stamp = Note.objects.create(text="A note", is_pinned=True), Stamp.objects.create(name="A stamp")
    settings.ALLOWED_HOSTS = ["*"]
    complaints: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        context = browser.new_context()
        context.add_cookies(
            [
                {
                    "name": settings.SESSION_COOKIE_NAME,
                    "value": staff.cookies[settings.SESSION_COOKIE_NAME].value,
                    "url": live_server.url,
                }
            ]
        )
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(f"{page.url}: {error}"))
        page.on(
            "console",
            lambda said: (
                complaints.append(f"{page.url}: {said.text}") if "Security Policy" in said.text else None
            ),
        )
        for path in (
            "/admin/",
            "/admin/testproject/note/",
            "/admin/testproject/note/?q=note",
            f"/admin/testproject/note/{note.pk}/change/",
            f"/admin/testproject/note/{note.pk}/delete/",
            f"/admin/testproject/note/{note.pk}/history/",
            "/admin/testproject/note/add/",
            f"/admin/testproject/stamp/{stamp.pk}/change/",
            "/admin/atoll_bus/overview/",
            "/admin/atoll_bus/delivery/",
            "/admin/atoll_bus/where/?q=abcdefgh",
            "/admin/nowhere/",
            "/docs",
        ):
            page.goto(live_server.url + path, wait_until="load")
        page.wait_for_selector("#swagger-ui .info .title")
        page.goto(f"{live_server.url}/admin/testproject/note/{note.pk}/change/")
        # The script of the page works: unfold's theme switch is made by it.
        assert page.evaluate("typeof window.Alpine") == "object"
        page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'), {text: 'window.ran = 1'}))"
        )
        assert page.evaluate("window.ran") is None
        forbidden = [text for text in complaints if "inline script" in text or "script-src" in text]
        assert len(forbidden) == 1
        browser.close()
    assert complaints == forbidden

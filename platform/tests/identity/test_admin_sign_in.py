"""Signing in to the admin of a project that is not users: its accounts are asked for over HTTP."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from atoll import conf
from atoll.client.service_client import process_pool
from atoll.identity import rights, verification
from atoll.identity.revocations import Mark
from atoll.ids import uuid7
from atoll.testing import tokens

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"
REFUSED = "Please enter the email and password of a staff account."


@dataclass
class UsersService:
    """``POST /auth/token`` of a users service with one account, on a real socket."""

    id: str = field(default_factory=lambda: str(uuid7()))
    email: str = "stan@example.com"
    name: str = "Stan Staff"
    roles: tuple[str, ...] = ("support",)
    status: int = 200
    token: str | None = None
    is_active: bool = True
    asked: list[dict[str, Any]] = field(default_factory=list)
    looked_at: list[str] = field(default_factory=list)

    def account(self, path: str) -> tuple[int, dict[str, Any], dict[str, str]]:
        """``GET /users/{id}``."""
        self.looked_at.append(path)
        if self.status != 200 or path != f"/users/{self.id}":
            return (self.status if self.status != 200 else 404), {"error": "User not found"}, {}
        shown = {"id": self.id, "email": self.email, "name": self.name}
        return 200, {**shown, "roles": list(self.roles), "isActive": self.is_active}, {}

    def answer(self, headers: Any, body: dict[str, Any]) -> tuple[int, dict[str, Any], dict[str, str]]:
        self.asked.append({"body": body, "forwarded_for": headers.get("X-Forwarded-For")})
        if self.status == 429:
            return 429, {"error": "Too many requests from this IP"}, {"Retry-After": "42"}
        if self.status != 200 or body != {"email": self.email, "password": PASSWORD}:
            return (self.status if self.status != 200 else 401), {"error": "Invalid email or password"}, {}
        token = self.token or tokens.access_token(self.id, self.roles, self.email, self.name)
        return 200, {"accessToken": token}, {}


@pytest.fixture
def users(monkeypatch: pytest.MonkeyPatch, settings: Any, trusted_test_key: None) -> Iterator[UsersService]:
    service = UsersService()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path == "/auth/service-token":
                token = tokens.service_access_token(body["clientId"])
                self._send(200, {"accessToken": token, "expiresIn": 900}, {})
            else:
                self._send(*service.answer(self.headers, body))

        def do_GET(self) -> None:
            self._send(*service.account(self.path))

        def _send(self, status: int, answer: dict[str, Any], headers: dict[str, str]) -> None:
            raw = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(raw))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("LIBRARY_SERVICE_SECRET", "the secret of the library's own test project")
    monkeypatch.setenv("USER_SERVICE_URL", f"http://127.0.0.1:{server.server_address[1]}")
    own = urlsplit(conf.redis_url())._replace(path="/9").geturl()
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": own}}
    settings.RATELIMIT_CACHE_PREFIX = f"test:{uuid7()}:"
    verification.forget_keys()
    process_pool.cache_clear()
    yield service
    server.shutdown()
    thread.join()
    server.server_close()
    process_pool.cache_clear()
    verification.forget_keys()


def enter(email: str = "stan@example.com", password: str = PASSWORD, **meta: Any) -> tuple[Client, Any]:
    browser = Client()
    form = {"username": email, "password": password}
    return browser, browser.post("/admin/login/?next=/admin/", form, **meta)


def test_staff_sign_in_with_their_users_account(users: UsersService) -> None:
    browser, answer = enter()

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert browser.get("/admin/").status_code == 200
    mirror = User.objects.get()
    assert (mirror.username, mirror.email, mirror.first_name) == (users.id, "stan@example.com", "Stan Staff")
    assert (mirror.is_staff, mirror.is_superuser) == (True, False)
    assert not mirror.has_usable_password()


def test_roles_and_names_are_brought_up_to_date_at_each_sign_in(users: UsersService) -> None:
    enter()
    users.roles, users.name, users.email = ("admin",), "Stan Admin", "stan.admin@example.com"

    enter("stan.admin@example.com")

    mirror = User.objects.get()
    assert (mirror.username, mirror.email, mirror.first_name) == (users.id, users.email, "Stan Admin")
    assert mirror.is_superuser
    users.roles = ("support",)
    enter("stan.admin@example.com")
    assert not User.objects.get().is_superuser


def test_customers_are_refused_and_leave_no_row(users: UsersService) -> None:
    users.roles = ()

    browser, answer = enter()

    assert REFUSED in answer.content.decode()
    assert browser.get("/admin/").status_code == 302
    assert not User.objects.exists()


def test_wrong_credentials_are_refused(users: UsersService) -> None:
    assert REFUSED in enter(password="wrong")[1].content.decode()
    assert REFUSED in enter("other@example.com")[1].content.decode()
    assert not User.objects.exists()


def test_an_answer_with_a_token_that_does_not_verify_lets_nobody_in(users: UsersService) -> None:
    users.token = "ey.forged.token"

    browser, answer = enter()

    assert "Sign-in is not possible right now" in answer.content.decode()
    assert browser.get("/admin/").status_code == 302
    assert not User.objects.exists()


def test_a_refresh_token_in_the_answer_lets_nobody_in(users: UsersService) -> None:
    users.token = tokens.sign(tokens.claims(users.id, use="refresh", roles=["admin"]))

    assert enter()[1].status_code == 200
    assert not User.objects.exists()


def test_a_service_token_in_the_answer_lets_nobody_in(users: UsersService) -> None:
    users.token = tokens.service_access_token("order-service")

    assert enter()[1].status_code == 200
    assert not User.objects.exists()


def test_when_users_is_away_the_form_says_so(users: UsersService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER_SERVICE_URL", "http://127.0.0.1:9158")

    browser, answer = enter()

    assert answer.status_code == 200
    assert "the users service does not answer" in answer.content.decode()
    assert browser.get("/admin/").status_code == 302


def test_a_limit_at_users_is_passed_on(users: UsersService) -> None:
    users.status = 429

    answer = enter()[1]

    assert "Too many attempts. Try again in 42 seconds." in answer.content.decode()
    assert (answer.status_code, answer["Retry-After"]) == (429, "42")


def test_guessing_is_limited_here_before_users_is_asked(users: UsersService) -> None:
    """Of one source; time stands still, so that no window ends between two guesses."""
    with time_machine.travel("2026-11-23T10:00:00Z", tick=False):
        for host in range(1, 11):
            assert enter(password="wrong", REMOTE_ADDR=f"2001:db8::{host:x}")[1].status_code == 200
        asked = len(users.asked)

        answer = enter(REMOTE_ADDR="2001:db8::99")[1]

        assert "Too many attempts. Try again in" in answer.content.decode()
        assert (answer.status_code, 1 <= int(answer["Retry-After"]) <= 300) == (429, True)
        assert len(users.asked) == asked == 10


def test_guesses_from_elsewhere_lock_nobody_out_here(users: UsersService) -> None:
    """Users decides over guesses from many sources: it knows who has signed in from where."""
    for host in range(12):
        enter(password="wrong", REMOTE_ADDR=f"203.0.113.{host}")

    assert enter(REMOTE_ADDR="198.51.100.7")[1].status_code == 302


def let_five_minutes_pass(user_id: str) -> None:
    """For the rule of when an account is looked at again."""
    assert cache.delete(f"identity:checked:{user_id}")


def test_the_account_of_a_session_is_looked_at_once_in_five_minutes(users: UsersService) -> None:
    browser, _answer = enter()

    for _ in range(5):
        assert browser.get("/admin/").status_code == 200

    assert users.looked_at == [f"/users/{users.id}"]


@pytest.mark.parametrize("change", [{"roles": ()}, {"is_active": False}, {"id": "another"}])
def test_who_is_no_longer_staff_is_out_at_the_next_look(users: UsersService, change: dict[str, Any]) -> None:
    browser, _answer = enter()
    browser.get("/admin/")
    known_as = users.id
    for name, value in change.items():
        setattr(users, name, value)
    assert browser.get("/admin/").status_code == 200

    let_five_minutes_pass(known_as)

    assert browser.get("/admin/").status_code == 302
    assert not User.objects.filter(is_active=True).exists()


def test_an_admin_who_is_only_staff_now_loses_what_admins_may(users: UsersService) -> None:
    users.roles = ("admin",)
    browser, _answer = enter()
    users.roles = ("support",)

    assert browser.get("/admin/").status_code == 200

    assert not User.objects.get().is_superuser


@pytest.mark.parametrize("status", [500, 403])
def test_a_session_goes_on_while_users_cannot_tell(users: UsersService, status: int) -> None:
    browser, _answer = enter()
    users.status = status

    assert browser.get("/admin/").status_code == 200
    assert User.objects.get().is_staff


def test_users_learns_the_address_of_the_person(users: UsersService) -> None:
    enter(REMOTE_ADDR="203.0.113.7")

    assert users.asked[0]["forwarded_for"] == "203.0.113.7"


def held() -> set[str]:
    return set(User.objects.get().groups.values_list("name", flat=True))


def test_the_local_row_holds_the_roles_of_the_account(users: UsersService) -> None:
    users.roles = ("support", "operator", "no such role")
    enter()
    assert held() == {"support", "operator"}

    users.roles = ("catalogue",)
    enter()
    assert held() == {"catalogue"}


def test_a_role_of_the_version_before_means_support_and_catalogue(users: UsersService) -> None:
    users.roles = ("staff",)
    enter()
    assert held() == {"support", "catalogue"}


def test_a_row_without_roles_is_looked_at_before_it_may_do_anything(users: UsersService) -> None:
    """It is of the version before, when roles were not kept with it."""
    browser, _answer = enter()
    browser.get("/admin/")
    User.objects.get().groups.clear()
    assert browser.get("/admin/testproject/note/").status_code == 200
    assert held() == {"support"}


def test_permissions_follow_the_roles_of_the_row(users: UsersService) -> None:
    enter()
    staff = User.objects.get()
    assert staff.has_perm("testproject.view_note")
    assert not staff.has_perm("testproject.delete_note")
    assert not staff.has_perm("testproject.view_stamp")
    assert staff.has_module_perms("testproject")
    staff.is_active = False
    assert not staff.has_perm("testproject.view_note")
    assert not staff.has_module_perms("testproject")


@pytest.mark.parametrize(
    ("permission", "roles"),
    [
        ("shop.view_order", {"support"}),
        ("shop.receive_stock_order", {"catalogue"}),
        ("shop.delete_order", set()),
        ("shop.view_parcel", set()),
        ("view_order", set()),
        ("", set()),
    ],
)
def test_what_is_not_declared_is_an_administrators_alone(
    permission: str, roles: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rights, "_declared", {})
    rights.declare("shop", "order", {"view": ("support",), "receive_stock": ("catalogue",)})
    rights.declare("shop", "order", {"view": ("operator",)}, unless_declared=True)

    assert rights.roles_for(permission) == roles


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Mark]:
    """What users has marked, as every process knows it within seconds."""
    made: dict[str, Mark] = {}
    monkeypatch.setattr("atoll.identity.backends.account_mark", made.get)
    return made


def now() -> int:
    return int(time.time())


@pytest.mark.parametrize("change", [{"roles": ()}, {"is_active": False}, {"id": "another"}])
def test_a_marked_account_is_looked_at_at_once_and_is_out(
    users: UsersService, change: dict[str, Any], marks: dict[str, Mark]
) -> None:
    browser, _answer = enter()
    browser.get("/admin/")
    known_as = users.id
    for name, value in change.items():
        setattr(users, name, value)
    assert browser.get("/admin/").status_code == 200

    marks[known_as] = Mark(now() + 1, ends_sessions=False)

    assert browser.get("/admin/").status_code == 302
    assert not User.objects.filter(is_active=True).exists()


def test_new_roles_count_as_soon_as_they_are_marked_and_the_session_goes_on(
    users: UsersService, marks: dict[str, Mark]
) -> None:
    browser, _answer = enter()
    browser.get("/admin/")
    users.roles = ("catalogue",)
    marks[users.id] = Mark(now(), ends_sessions=False)

    assert browser.get("/admin/").status_code == 200
    assert held() == {"catalogue"}


def test_all_sessions_of_a_project_end_when_users_says_so(
    users: UsersService, marks: dict[str, Mark]
) -> None:
    here, there = enter()[0], enter()[0]
    assert [browser.get("/admin/").status_code for browser in (here, there)] == [200, 200]

    marks[users.id] = Mark(now(), ends_sessions=True)

    assert [browser.get("/admin/").status_code for browser in (here, there)] == [302, 302]


def test_who_signs_in_after_the_mark_stays_and_older_sessions_end(
    users: UsersService, marks: dict[str, Mark]
) -> None:
    old = enter()[0]
    marks[users.id] = Mark(now() - 5, ends_sessions=True)

    fresh = enter()[0]

    assert [fresh.get("/admin/").status_code for _ in range(2)] == [200, 200]
    assert old.get("/admin/").status_code == 302


def test_a_marked_account_that_users_cannot_tell_about_waits_outside(
    users: UsersService, marks: dict[str, Mark]
) -> None:
    browser, _answer = enter()
    browser.get("/admin/")
    users.status = 500
    marks[users.id] = Mark(now() + 1, ends_sessions=False)
    assert browser.get("/admin/").status_code == 302

    users.status = 200
    assert browser.get("/admin/").status_code == 200

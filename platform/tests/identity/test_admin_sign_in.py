"""Signing in to the admin of a project that is a client of users."""

import time
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from atoll.identity.models import AdminSignIn
from atoll.identity.sessions import SessionStore
from atoll.ids import uuid7
from atoll.testing import tokens

from .sign_in import UsersService, back, challenge_of, enter

pytestmark = pytest.mark.django_db


def is_out(browser: Client) -> bool:
    return bool(browser.get("/admin/").status_code == 302)


class TestTheWayIn:
    def test_staff_sign_in_with_their_users_account(self, users: UsersService) -> None:
        browser, answer = enter(users)

        assert (answer.status_code, answer["Location"]) == (302, "/admin/")
        assert browser.get("/admin/").status_code == 200
        mirror = User.objects.get()
        assert (mirror.username, mirror.email, mirror.first_name) == (
            users.id,
            "stan@example.com",
            "Stan Staff",
        )
        assert (mirror.is_staff, mirror.is_superuser) == (True, False)
        assert not mirror.has_usable_password()

    def test_the_browser_is_sent_to_users_with_state_nonce_and_pkce(self, users: UsersService) -> None:
        answer = Client().get("/admin/testproject/note/", follow=False)
        answer = Client().get(answer["Location"])

        assert answer["Location"].startswith("http://testserver/admin/oidc/authorize?")
        users.begin(Client())
        asked = users.asked
        assert (asked["response_type"], asked["client_id"]) == ("code", "library-service")
        assert asked["redirect_uri"] == "http://testserver/admin/oidc/callback"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        assert min(len(asked["state"]), len(asked["nonce"]), len(asked["code_challenge"])) >= 43

    def test_two_attempts_share_no_secret(self, users: UsersService) -> None:
        browser, seen = Client(), []
        for _ in range(2):
            users.begin(browser)
            seen.append((users.asked["state"], users.asked["nonce"], users.asked["code_challenge"]))
        assert all(one != other for one, other in zip(*seen, strict=True))

    def test_the_page_that_was_asked_for_opens(self, users: UsersService) -> None:
        _browser, answer = enter(users, at="/admin/testproject/note/?q=a")
        assert answer["Location"] == "/admin/testproject/note/?q=a"

    @pytest.mark.parametrize(
        "elsewhere",
        [
            "//evil.example/",
            "https://evil.example/",
            "/\\evil.example",
            "javascript:alert(1)",
            "",
            "x" * 5000,
        ],
    )
    def test_the_way_back_leads_nowhere_else(self, users: UsersService, elsewhere: str) -> None:
        assert enter(users, at=elsewhere)[1]["Location"] == "/admin/"

    def test_two_tabs_can_sign_in_at_once(self, users: UsersService) -> None:
        browser = Client()
        first = users.begin(browser, "/admin/testproject/note/")
        asked = users.asked
        users.begin(browser, "/admin/testproject/stamp/")
        users.asked = asked

        assert back(browser, code="code-a", state=first)["Location"] == "/admin/testproject/note/"

    def test_a_signed_in_browser_is_not_asked_again(self, users: UsersService) -> None:
        browser, _answer = enter(users)
        answer = browser.get("/admin/login/?next=/admin/testproject/note/")
        assert answer["Location"] == "/admin/testproject/note/"

    def test_roles_and_names_are_brought_up_to_date_at_each_sign_in(self, users: UsersService) -> None:
        enter(users)
        users.roles, users.name, users.email = ("admin",), "Stan Admin", "stan.admin@example.com"

        enter(users)

        mirror = User.objects.get()
        assert (mirror.username, mirror.email, mirror.first_name) == (users.id, users.email, "Stan Admin")
        assert mirror.is_superuser
        users.roles = ("support",)
        enter(users)
        assert not User.objects.get().is_superuser

    def test_customers_are_refused_and_leave_no_row(self, users: UsersService) -> None:
        users.roles = ()

        browser, answer = enter(users)

        assert answer.status_code == 403
        assert "has no role" in answer.content.decode()
        assert is_out(browser)
        assert not User.objects.exists()

    def test_the_session_has_another_id_after_the_sign_in(self, users: UsersService) -> None:
        """Whoever planted or knows the id of an earlier session gets nothing of the new one."""
        planted = SessionStore()
        planted["left"] = "by a stranger"
        planted.save()
        browser = Client()
        browser.cookies["library_session"] = planted.session_key

        enter(users, browser)

        assert browser.get("/admin/").status_code == 200
        assert browser.cookies["library_session"].value != planted.session_key
        assert not SessionStore().exists(planted.session_key)
        assert "left" not in browser.session

    def test_a_second_sign_in_of_a_browser_ends_its_first_session(self, users: UsersService) -> None:
        browser, _answer = enter(users)
        first, state = browser.cookies["library_session"].value, ""
        users.sid, users.id = str(uuid7()), str(uuid7())
        del browser.cookies["library_session"]
        state = users.begin(browser)
        browser.cookies["library_session"] = first

        back(browser, code="code-b", state=state)

        assert browser.session["_auth_user_id"] == str(User.objects.get(username=users.id).pk)
        assert not SessionStore().exists(first)
        assert AdminSignIn.objects.get().subject == users.id

    def test_a_password_is_not_taken_here(self, users: UsersService) -> None:
        answer = Client().post("/admin/login/", {"username": "stan@example.com", "password": "x"})
        assert answer.status_code == 405

    def test_under_a_name_that_is_not_registered_the_page_says_where_the_admin_is(
        self, users: UsersService
    ) -> None:
        answer = Client().get("/admin/login/?next=/admin/testproject/note/", headers={"host": "localhost"})
        page = answer.content.decode()
        assert answer.status_code == 400
        assert "not known under localhost" in page
        assert 'href="http://testserver/admin/testproject/note/"' in page


class TestAttacks:
    """A response that was not asked for by this browser, or that does not prove itself, opens nothing."""

    def refused(self, browser: Client, answer: Any, status: int = 400) -> None:
        assert answer.status_code == status
        page = answer.content.decode()
        assert "/admin/login/?next=" in page
        assert "Traceback" not in page
        assert is_out(browser)
        assert not User.objects.exists()

    @pytest.mark.parametrize("state", ["", "x", "a:b:c", "x" * 5000, "\x00"])
    def test_a_made_up_state(self, users: UsersService, state: str) -> None:
        browser = Client(raise_request_exception=False)
        users.begin(browser)
        self.refused(browser, back(browser, code="code-a", state=state.replace("\x00", "%")))

    def test_the_state_of_another_browser(self, users: UsersService) -> None:
        """Login CSRF: the attacker's response, opened in the victim's browser."""
        attacker, victim = Client(), Client()
        users.begin(victim)
        state = users.begin(attacker)
        self.refused(victim, back(victim, code="code-a", state=state))
        assert users.exchanged == []

    def test_a_state_without_the_cookie(self, users: UsersService) -> None:
        state = users.begin(Client())
        browser = Client()
        self.refused(browser, back(browser, code="code-a", state=state))

    def test_an_old_state(self, users: UsersService) -> None:
        browser = Client()
        with time_machine.travel(time.time() - 700):
            state = users.begin(browser)
        browser.cookies["library_sign_in"]["max-age"] = ""
        self.refused(browser, back(browser, code="code-a", state=state))

    def test_a_code_that_was_used(self, users: UsersService) -> None:
        state = users.begin(browser := Client())
        users.used.add("code-a")
        self.refused(browser, back(browser, code="code-a", state=state))

    def test_no_code_or_an_endless_one(self, users: UsersService) -> None:
        state = users.begin(browser := Client())
        self.refused(browser, back(browser, state=state))
        self.refused(browser, back(browser, state=state, code="c" * 3000))
        assert users.exchanged == []

    def test_another_issuer(self, users: UsersService) -> None:
        """Mix-up (RFC 9207)."""
        state = users.begin(browser := Client())
        self.refused(browser, back(browser, state=state, code="code-a", iss="https://evil.example"))

    def test_an_error_of_the_issuer(self, users: UsersService) -> None:
        state = users.begin(browser := Client(), "/admin/testproject/note/")
        answer = back(browser, state=state, error="access_denied", error_description="<b>no</b>")
        self.refused(browser, answer)
        assert "/admin/login/?next=%2Fadmin%2Ftestproject%2Fnote%2F" in answer.content.decode()
        assert b"<b>no</b>" not in answer.content

    def test_the_verifier_of_another_attempt(self, users: UsersService) -> None:
        state = users.begin(browser := Client())
        users.asked["code_challenge"] = challenge_of("another")
        self.refused(browser, back(browser, state=state, code="code-a"))

    @pytest.mark.parametrize(
        "claims",
        [
            {"iss": "https://evil.example"},
            {"aud": "order-service"},
            {"aud": ["library-service", "order-service"]},
            {"aud": ["library-service", "order-service"], "azp": "order-service"},
            {"exp": int(time.time()) - 60},
            {"exp": None},
            {"iat": None},
            {"iat": int(time.time()) + 600},
            {"sub": None},
            {"sub": ""},
            {"sub": "x" * 151},
            {"nonce": None},
            {"nonce": "another"},
            {"nonce": 5},
            {"roles": "admin"},
            {"roles": [["admin"]]},
            {"email": {"a": 1}},
            {"sid": "x" * 129},
            {"name": "a\x00b"},
        ],
        ids=str,
    )
    def test_an_id_token_with_other_claims(self, users: UsersService, claims: dict[str, Any]) -> None:
        users.claims = claims
        self.refused(*enter(users))

    def test_an_id_token_of_another_key(self, users: UsersService) -> None:
        state = users.begin(browser := Client())
        forged = generate_private_key(public_exponent=65537, key_size=2048)
        users.token = tokens.sign(users.claims | {"sub": users.id}, key=forged)
        self.refused(browser, back(browser, state=state, code="code-a"))

    @pytest.mark.parametrize("algorithm", ["none", "HS256"])
    def test_an_id_token_of_another_algorithm(self, users: UsersService, algorithm: str) -> None:
        state = users.begin(browser := Client())
        users.token = tokens.sign(
            {"sub": users.id}, key="" if algorithm == "none" else "k" * 32, algorithm=algorithm
        )
        self.refused(browser, back(browser, state=state, code="code-a"))

    @pytest.mark.parametrize("use", ["access", "refresh", "service"])
    def test_another_token_of_users_in_place_of_an_id_token(self, users: UsersService, use: str) -> None:
        users.token = tokens.sign(tokens.claims(users.id, use=use, roles=["admin"]))
        self.refused(*enter(users))

    def test_an_id_token_opens_no_api(self, users: UsersService, client: Client) -> None:
        users.begin(client)
        answer = client.get("/notes", headers={"authorization": f"Bearer {users.id_token()}"})
        assert answer.status_code == 403


class TestUsersAway:
    def test_the_page_says_so_and_leads_back(
        self, users: UsersService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("USER_SERVICE_URL", "http://127.0.0.1:9158")

        answer = Client().get("/admin/login/?next=/admin/testproject/note/")

        page = answer.content.decode()
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")
        assert "the users service does not answer" in page
        assert "/admin/login/?next=%2Fadmin%2Ftestproject%2Fnote%2F" in page

    def test_it_goes_away_between_the_redirect_and_the_return(
        self, users: UsersService, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        state = users.begin(browser := Client())
        monkeypatch.setenv("USER_SERVICE_URL", "http://127.0.0.1:9158")
        assert back(browser, code="code-a", state=state).status_code == 503
        assert is_out(browser)

    @pytest.mark.parametrize("status", [500, 403])
    def test_a_session_goes_on_while_users_cannot_tell(self, users: UsersService, status: int) -> None:
        browser, _answer = enter(users)
        users.status = status

        assert browser.get("/admin/").status_code == 200
        assert User.objects.get().is_staff


def let_five_minutes_pass(user_id: str) -> None:
    """For the rule of when an account is looked at again."""
    assert cache.delete(f"identity:checked:{user_id}")


class TestLooks:
    def test_account_and_sign_in_are_looked_at_once_in_five_minutes(self, users: UsersService) -> None:
        browser, _answer = enter(users)

        for _ in range(5):
            assert browser.get("/admin/").status_code == 200

        assert users.looked_at == [f"/users/{users.id}"]
        assert users.sign_ins_looked_at == [f"/auth/sign-ins/{users.sid}"]

    @pytest.mark.parametrize("change", [{"roles": ()}, {"is_active": False}, {"id": "another"}])
    def test_who_is_no_longer_staff_is_out_at_the_next_look(
        self, users: UsersService, change: dict[str, Any]
    ) -> None:
        browser, _answer = enter(users)
        browser.get("/admin/")
        known_as = users.id
        for name, value in change.items():
            setattr(users, name, value)
        assert browser.get("/admin/").status_code == 200

        let_five_minutes_pass(known_as)

        assert is_out(browser)
        assert not User.objects.filter(is_active=True).exists()

    def test_a_sign_in_that_ended_while_nobody_looked_ends_at_the_next_look(
        self, users: UsersService
    ) -> None:
        """Its mark is kept for 16 minutes; a browser may rest longer."""
        browser, _answer = enter(users)
        assert browser.get("/admin/").status_code == 200
        users.sign_in_goes_on = False
        assert browser.get("/admin/").status_code == 200

        cache.delete(f"identity:sign-in:{users.sid}")

        assert is_out(browser)
        users.sign_in_goes_on = True
        assert is_out(browser)

    def test_another_sign_in_of_the_same_person_goes_on(self, users: UsersService) -> None:
        first, _answer = enter(users)
        assert first.get("/admin/").status_code == 200
        users.sid = str(uuid7())
        second, _answer = enter(users)
        cache.delete_many([f"identity:sign-in:{row.sid}" for row in AdminSignIn.objects.all()])

        assert is_out(first)
        assert second.get("/admin/").status_code == 200


def test_the_return_is_a_page_of_the_admin(users: UsersService) -> None:
    answer = back(Client(), code="a", state="b")
    assert urlsplit(answer.wsgi_request.path).path == "/admin/oidc/callback"
    assert "Not signed in" in answer.content.decode()
    assert answer["Cache-Control"].startswith("max-age=0") or "no-store" in answer["Cache-Control"]

"""Entering the admin of users, as a person with a browser does."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from services.users.models import RefreshFamily, User
from services.users.tests.browsing import PASSWORD, enter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("window")]


Make = Callable[..., User]
ACCOUNTS = "admin:users_user_changelist"


class TestSigningIn:
    def test_staff_get_in_with_email_and_password(self, make_user: Make) -> None:
        make_user("staff@example.com", roles=("support",))

        browser, answer = enter("STAFF@example.com")

        assert (answer.status_code, answer["Location"]) == (302, "/admin/")
        assert browser.get("/admin/").status_code == 200
        assert browser.cookies["users_session"]["httponly"]
        assert browser.session.get_expiry_age() <= 8 * 60 * 60

    @pytest.mark.parametrize(
        ("email", "password"),
        [
            ("customer@example.com", PASSWORD),
            ("staff@example.com", "wrong"),
            ("missing@example.com", PASSWORD),
        ],
    )
    def test_everybody_else_reads_the_same_refusal(self, make_user: Make, email: str, password: str) -> None:
        make_user("customer@example.com")
        make_user("staff@example.com", roles=("support",))

        browser, answer = enter(email, password)

        assert answer.status_code == 200
        assert "Please enter the email and password of a staff account." in answer.content.decode()
        assert browser.get("/admin/").status_code == 302

    def test_guessing_is_limited_here_too(self, make_user: Make) -> None:
        make_user("staff@example.com", roles=("support",))
        for _ in range(10):
            assert enter("staff@example.com", "wrong", REMOTE_ADDR="203.0.113.9")[1].status_code == 200

        browser, answer = enter("staff@example.com", REMOTE_ADDR="203.0.113.9")

        assert "Too many attempts. Try again in" in answer.content.decode()
        assert (answer.status_code, 1 <= int(answer["Retry-After"]) <= 300) == (429, True)
        assert browser.get("/admin/").status_code == 302
        assert enter("staff@example.com", REMOTE_ADDR="203.0.113.10")[1].status_code == 302

    def test_the_way_back_leads_nowhere_else(self, make_user: Make) -> None:
        make_user("staff@example.com", roles=("support",))

        answer = Client().post(
            "/admin/login/?next=//evil.example/", {"username": "staff@example.com", "password": PASSWORD}
        )

        assert "evil" not in answer["Location"]

    def test_a_deactivated_account_is_out_with_its_next_click(self, make_user: Make) -> None:
        user = make_user("staff@example.com", roles=("support",))
        browser, _answer = enter("staff@example.com")
        User.objects.filter(id=user.id).update(is_active=False)

        assert browser.get("/admin/").status_code == 302

    def test_a_role_that_was_taken_is_gone_with_the_next_click(self, make_user: Make) -> None:
        user = make_user("staff@example.com", roles=("support",))
        browser, _answer = enter("staff@example.com")
        User.objects.filter(id=user.id).update(roles=[])

        assert browser.get("/admin/").status_code == 302


class TestOwnPassword:
    NEW = "an entirely new password"

    def change(self, browser: Client, present: str) -> Any:
        return browser.post(
            "/admin/password_change/",
            {"old_password": present, "new_password1": self.NEW, "new_password2": self.NEW},
        )

    def test_it_is_changed_by_who_knows_it_and_ends_every_session_of_the_api(
        self, staff: Client, signed_in: Callable[..., Any]
    ) -> None:
        me = User.objects.get()
        signed_in(me)
        assert "/admin/password_change/" in staff.get("/admin/").content.decode()

        assert self.change(staff, PASSWORD).status_code == 302

        me.refresh_from_db()
        assert me.check_password(self.NEW)
        assert RefreshFamily.objects.get(in_browser=False).revoked_because == "password changed"
        assert staff.get("/admin/").status_code == 200

    def test_the_present_one_cannot_be_guessed(self, staff: Client) -> None:
        for _ in range(10):
            assert self.change(staff, "guess").status_code == 200

        answer = self.change(staff, PASSWORD)

        assert "Too many attempts" in answer.content.decode()
        assert User.objects.get().check_password(PASSWORD)

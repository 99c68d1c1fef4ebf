"""The accounts in the admin."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from services.users.models import RefreshFamily, User
from services.users.tests.browsing import PASSWORD, run

pytestmark = pytest.mark.django_db

Make = Callable[..., User]
ACCOUNTS = "admin:users_user_changelist"


class TestAccounts:
    def test_the_list_shows_who_there_is_and_no_password(self, staff: Client, make_user: Make) -> None:
        user = make_user("ada@example.com")

        page = staff.get(reverse(ACCOUNTS)).content.decode()
        form = staff.get(reverse("admin:users_user_change", args=[user.id])).content.decode()

        assert "ada@example.com" in page
        for text in (page, form):
            assert "argon2" not in text
            assert user.password not in text

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("?q=lovelace", True),
            ("?q=nobody", False),
            ("?role=none", True),
            ("?role=admin", False),
            ("?is_active__exact=1", True),
            ("?is_active__exact=0", False),
        ],
    )
    def test_it_can_be_searched_and_filtered(
        self, staff: Client, make_user: Make, query: str, found: bool
    ) -> None:
        make_user("ada@example.com", "Ada Lovelace")

        assert ("ada@example.com" in staff.get(reverse(ACCOUNTS) + query).content.decode()) is found

    def test_deactivating_ends_sessions_and_is_announced(
        self, staff: Client, make_user: Make, signed_in: Callable[..., Any], atoll_bus: Any
    ) -> None:
        user = make_user("ada@example.com")
        signed_in(user)

        run(staff, ACCOUNTS, "deactivate", user)

        user.refresh_from_db()
        assert not user.is_active
        assert RefreshFamily.objects.get(in_browser=False).revoked_because == "account not active"
        assert [event["data"]["changes"] for event in atoll_bus.published("user.updated")] == [
            {"isActive": False}
        ]
        run(staff, ACCOUNTS, "activate", user)
        user.refresh_from_db()
        assert user.is_active

    def test_deactivating_asks_with_the_sign_ins_that_end(
        self, staff: Client, make_user: Make, signed_in: Callable[..., Any]
    ) -> None:
        ada, bob = make_user("ada@example.com"), make_user("bob@example.com", roles=("support",))
        for _ in range(2):
            signed_in(ada)
        sent = {"action": "deactivate", "_selected_action": [str(ada.pk), str(bob.pk)]}
        asked = staff.post(reverse(ACCOUNTS), sent).content.decode()

        assert "Signed in now: 1 of 2, with 2 sign-ins." in asked
        assert "Staff among them: 1." in asked

    def test_staff_neither_change_staff_nor_delete_anybody(
        self, staff: Client, make_user: Make, atoll_bus: Any
    ) -> None:
        colleague, customer = make_user(roles=("support",)), make_user()

        run(staff, ACCOUNTS, "deactivate", colleague)
        run(staff, ACCOUNTS, "delete_accounts", customer)
        run(staff, ACCOUNTS, "delete_selected", customer)
        posted = staff.post(
            reverse("admin:users_user_change", args=[colleague.id]), {"email": "x@example.com", "name": "X"}
        )

        assert posted.status_code == 403
        for user in (colleague, customer):
            user.refresh_from_db()
            assert user.is_active
            assert user.name == "Ada Lovelace"
        assert atoll_bus.published("user.deleted") == atoll_bus.published("user.updated") == []

    def test_the_hash_of_a_password_cannot_be_guessed_letter_by_letter(self, staff: Client) -> None:
        for field in ("password", "password__startswith", "password__regex"):
            assert staff.get(reverse(ACCOUNTS), {field: "argon2"}).status_code == 400

    def test_staff_give_no_roles(self, staff: Client, make_user: Make) -> None:
        user = make_user("ada@example.com")

        staff.post(
            reverse("admin:users_user_change", args=[user.id]),
            {"email": "ada@example.com", "name": "Ada King", "roles": ["admin"], "is_active": "on"},
        )

        user.refresh_from_db()
        assert (user.name, user.roles) == ("Ada King", [])

    def test_nobody_deactivates_themselves(self, admin: Client) -> None:
        me = User.objects.get(email="admin@example.com")

        run(admin, ACCOUNTS, "deactivate", me)
        run(admin, ACCOUNTS, "delete_accounts", me)

        me.refresh_from_db()
        assert me.is_active

    def test_an_admin_changes_an_account_and_the_change_is_announced(
        self, admin: Client, make_user: Make, atoll_bus: Any
    ) -> None:
        user = make_user("ada@example.com")

        answer = admin.post(
            reverse("admin:users_user_change", args=[user.id]),
            {"email": "Countess@example.com", "name": user.name, "roles": ["support"], "is_active": "on"},
        )

        assert answer.status_code == 302
        user.refresh_from_db()
        assert (user.email, user.roles) == ("countess@example.com", ["support"])
        assert [event["data"]["changes"] for event in atoll_bus.published("user.updated")] == [
            {"email": "countess@example.com", "roles": ["support"]}
        ]

    def test_an_address_in_use_is_told_in_the_form(self, admin: Client, make_user: Make) -> None:
        user = make_user("ada@example.com")

        answer = admin.post(
            reverse("admin:users_user_change", args=[user.id]),
            {"email": "ADMIN@example.com", "name": user.name, "is_active": "on"},
        )

        assert answer.status_code == 200
        assert "An account with this email exists." in answer.content.decode()
        user.refresh_from_db()
        assert user.email == "ada@example.com"

    def test_an_admin_adds_an_account(self, admin: Client, atoll_bus: Any) -> None:
        bad = {"email": "new@example.com", "name": "New", "password": "short"}
        assert "too short" in admin.post(reverse("admin:users_user_add"), bad).content.decode()

        answer = admin.post(reverse("admin:users_user_add"), bad | {"password": PASSWORD})

        assert answer.status_code == 302
        user = User.objects.get(email="new@example.com")
        assert user.check_password(PASSWORD)
        assert str(user.id) in [event["data"]["userId"] for event in atoll_bus.published("user.created")]

    def test_deleting_for_good_asks_first_and_says_what_ends(
        self, admin: Client, make_user: Make, atoll_bus: Any
    ) -> None:
        user = make_user("ada@example.com")
        sent = {"action": "delete_accounts", "_selected_action": [str(user.pk)]}

        asked = admin.post(reverse(ACCOUNTS), sent).content.decode()

        assert "their open orders are cancelled" in asked
        assert "You cannot undo this." in asked
        assert "Signed in now: 0 of 1" in asked
        user.refresh_from_db()
        assert user.deleted_at is None
        assert atoll_bus.published("user.deleted") == []

    def test_an_admin_deletes_through_the_use_case(
        self, admin: Client, make_user: Make, atoll_bus: Any
    ) -> None:
        user = make_user("ada@example.com")

        run(admin, ACCOUNTS, "delete_accounts", user)

        user.refresh_from_db()
        assert user.deleted_at is not None
        assert [event["data"]["userId"] for event in atoll_bus.published("user.deleted")] == [str(user.id)]
        assert "ada@example.com" not in admin.get(reverse(ACCOUNTS)).content.decode()

    def test_a_name_with_markup_is_shown_as_text(self, staff: Client, make_user: Make) -> None:
        make_user("ada@example.com", "<script>alert(1)</script>")

        assert "<script>alert(1)" not in staff.get(reverse(ACCOUNTS)).content.decode()

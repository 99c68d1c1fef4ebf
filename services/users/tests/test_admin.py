"""The admin of users, as a person with a browser uses it."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from services.users.models import RefreshFamily, ServiceCredential, SigningKey, User
from services.users.tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

Make = Callable[..., User]
ACCOUNTS = "admin:users_user_changelist"


def enter(email: str, password: str = PASSWORD, **meta: str) -> tuple[Client, Any]:
    browser = Client(**meta)
    answer = browser.post("/admin/login/?next=/admin/", {"username": email, "password": password})
    return browser, answer


@pytest.fixture
def admin(make_user: Make) -> Client:
    make_user("admin@example.com", "Ann Admin", roles=("admin", "staff"))
    return enter("admin@example.com")[0]


@pytest.fixture
def staff(make_user: Make) -> Client:
    make_user("staff@example.com", "Stan Staff", roles=("staff",))
    return enter("staff@example.com")[0]


def run(browser: Client, changelist: str, action: str, *rows: Any) -> Any:
    chosen = [str(row.pk) for row in rows]
    return browser.post(reverse(changelist), {"action": action, "_selected_action": chosen}, follow=True)


class TestSigningIn:
    def test_staff_get_in_with_email_and_password(self, make_user: Make) -> None:
        make_user("staff@example.com", roles=("staff",))

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
        make_user("staff@example.com", roles=("staff",))

        browser, answer = enter(email, password)

        assert answer.status_code == 200
        assert "Please enter the email and password of a staff account." in answer.content.decode()
        assert browser.get("/admin/").status_code == 302

    def test_guessing_is_limited_here_too(self, make_user: Make) -> None:
        make_user("staff@example.com", roles=("staff",))
        for host in range(10):
            enter("staff@example.com", "wrong", REMOTE_ADDR=f"203.0.113.{host}")

        browser, answer = enter("staff@example.com")

        assert "Too many attempts. Try again in" in answer.content.decode()
        assert browser.get("/admin/").status_code == 302

    def test_the_way_back_leads_nowhere_else(self, make_user: Make) -> None:
        make_user("staff@example.com", roles=("staff",))

        answer = Client().post(
            "/admin/login/?next=//evil.example/", {"username": "staff@example.com", "password": PASSWORD}
        )

        assert "evil" not in answer["Location"]

    def test_a_deactivated_account_is_out_with_its_next_click(self, make_user: Make) -> None:
        user = make_user("staff@example.com", roles=("staff",))
        browser, _answer = enter("staff@example.com")
        User.objects.filter(id=user.id).update(is_active=False)

        assert browser.get("/admin/").status_code == 302

    def test_a_role_that_was_taken_is_gone_with_the_next_click(self, make_user: Make) -> None:
        user = make_user("staff@example.com", roles=("staff",))
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
        assert RefreshFamily.objects.get().revoked_because == "password changed"
        assert staff.get("/admin/").status_code == 200

    def test_the_present_one_cannot_be_guessed(self, staff: Client) -> None:
        for _ in range(10):
            assert self.change(staff, "guess").status_code == 200

        answer = self.change(staff, PASSWORD)

        assert "Too many attempts" in answer.content.decode()
        assert User.objects.get().check_password(PASSWORD)


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
        self, staff: Client, make_user: Make, signed_in: Callable[..., Any], bus: Any
    ) -> None:
        user = make_user("ada@example.com")
        signed_in(user)

        run(staff, ACCOUNTS, "deactivate", user)

        user.refresh_from_db()
        assert not user.is_active
        assert RefreshFamily.objects.get().revoked_because == "account not active"
        assert [event["data"]["changes"] for event in bus.published("user.updated")] == [{"isActive": False}]
        run(staff, ACCOUNTS, "activate", user)
        user.refresh_from_db()
        assert user.is_active

    def test_staff_neither_change_staff_nor_delete_anybody(
        self, staff: Client, make_user: Make, bus: Any
    ) -> None:
        colleague, customer = make_user(roles=("staff",)), make_user()

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
        assert bus.published("user.deleted") == bus.published("user.updated") == []

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
        self, admin: Client, make_user: Make, bus: Any
    ) -> None:
        user = make_user("ada@example.com")

        answer = admin.post(
            reverse("admin:users_user_change", args=[user.id]),
            {"email": "Countess@example.com", "name": user.name, "roles": ["staff"], "is_active": "on"},
        )

        assert answer.status_code == 302
        user.refresh_from_db()
        assert (user.email, user.roles) == ("countess@example.com", ["staff"])
        assert [event["data"]["changes"] for event in bus.published("user.updated")] == [
            {"email": "countess@example.com", "roles": ["staff"]}
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

    def test_an_admin_adds_an_account(self, admin: Client, bus: Any) -> None:
        bad = {"email": "new@example.com", "name": "New", "password": "short"}
        assert "too short" in admin.post(reverse("admin:users_user_add"), bad).content.decode()

        answer = admin.post(reverse("admin:users_user_add"), bad | {"password": PASSWORD})

        assert answer.status_code == 302
        user = User.objects.get(email="new@example.com")
        assert user.check_password(PASSWORD)
        assert str(user.id) in [event["data"]["userId"] for event in bus.published("user.created")]

    def test_an_admin_deletes_through_the_use_case(self, admin: Client, make_user: Make, bus: Any) -> None:
        user = make_user("ada@example.com")

        run(admin, ACCOUNTS, "delete_accounts", user)

        user.refresh_from_db()
        assert user.deleted_at is not None
        assert [event["data"]["userId"] for event in bus.published("user.deleted")] == [str(user.id)]
        assert "ada@example.com" not in admin.get(reverse(ACCOUNTS)).content.decode()

    def test_a_name_with_markup_is_shown_as_text(self, staff: Client, make_user: Make) -> None:
        make_user("ada@example.com", "<script>alert(1)</script>")

        assert "<script>alert(1)" not in staff.get(reverse(ACCOUNTS)).content.decode()


class TestKeys:
    def test_an_admin_rotates_the_signing_key(
        self, admin: Client, make_user: Make, signed_in: Callable[..., Any]
    ) -> None:
        signed_in(make_user())
        coming = SigningKey.objects.get(status="next")

        page = run(admin, "admin:users_signingkey_changelist", "rotate", coming).content.decode()

        assert "signs from now on" in page
        coming.refresh_from_db()
        assert coming.status == "current"
        again = run(admin, "admin:users_signingkey_changelist", "rotate", coming).content.decode()
        assert "not every service knows it" in again

    def test_staff_cannot(self, staff: Client, make_user: Make, signed_in: Callable[..., Any]) -> None:
        signed_in(make_user())
        coming = SigningKey.objects.get(status="next")

        run(staff, "admin:users_signingkey_changelist", "rotate", coming)

        coming.refresh_from_db()
        assert coming.status == "next"

    def test_the_private_half_is_not_shown(self, admin: Client, make_user: Make, signed_in: Any) -> None:
        signed_in(make_user())
        key = SigningKey.objects.get(status="current")

        page = admin.get(reverse("admin:users_signingkey_change", args=[key.pk])).content.decode()

        assert key.kid in page
        assert bytes(key.private_pem_encrypted).decode()[:40] not in page
        assert "PRIVATE" not in page


class TestCredentials:
    CREDENTIALS = "admin:users_servicecredential_changelist"

    def test_a_new_secret_is_shown_once_and_works(self, admin: Client, client: Any) -> None:
        page = admin.post(
            reverse("admin:users_servicecredential_add"), {"service": "report-service"}, follow=True
        ).content.decode()

        shown = re.search(r'data-secret-of="report-service">([^<]+)<', page)
        assert shown is not None
        secret = shown[1]
        credential = ServiceCredential.objects.get()
        for url in (
            reverse(self.CREDENTIALS),
            reverse("admin:users_servicecredential_change", args=[credential.pk]),
        ):
            assert secret not in admin.get(url).content.decode()
        answer = client.post("/auth/service-token", {"clientId": "report-service", "clientSecret": secret})
        assert answer.status_code == 200

        run(admin, self.CREDENTIALS, "withdraw", credential)
        answer = client.post("/auth/service-token", {"clientId": "report-service", "clientSecret": secret})
        assert answer.status_code == 401

    @pytest.mark.parametrize("name", ["Report Service", "../x", ""])
    def test_a_bad_name_is_told_in_the_form(self, admin: Client, name: str) -> None:
        answer = admin.post(reverse("admin:users_servicecredential_add"), {"service": name})

        assert answer.status_code == 200
        assert not ServiceCredential.objects.exists()

    def test_staff_issue_nothing(self, staff: Client) -> None:
        assert staff.post(reverse("admin:users_servicecredential_add"), {"service": "x"}).status_code == 403
        assert not ServiceCredential.objects.exists()


class TestSessions:
    def test_an_admin_ends_a_sign_in(
        self, admin: Client, make_user: Make, signed_in: Callable[..., Any], client: Any
    ) -> None:
        token = signed_in(make_user())["refreshToken"]

        run(admin, "admin:users_refreshfamily_changelist", "end", RefreshFamily.objects.get())

        assert client.post("/auth/refresh", {"refreshToken": token}).status_code == 403


@pytest.mark.parametrize("model", ["user", "signingkey", "servicecredential", "refreshfamily"])
def test_every_list_and_page_opens(
    admin: Client, make_user: Make, signed_in: Callable[..., Any], model: str
) -> None:
    from services.users.usecases.issue_credential import issue_credential

    signed_in(make_user())
    issue_credential("order-service")
    row = {
        "user": User,
        "signingkey": SigningKey,
        "servicecredential": ServiceCredential,
        "refreshfamily": RefreshFamily,
    }[model].objects.first()

    assert admin.get(reverse(f"admin:users_{model}_changelist")).status_code == 200
    assert admin.get(reverse(f"admin:users_{model}_change", args=[row.pk])).status_code == 200

"""The owner shows the present password for another email or password, and for deleting the account."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from services.users.models import User
from services.users.selectors import pending_email
from services.users.tests.browsing import PASSWORD, enter

pytestmark = pytest.mark.django_db

Make = Callable[..., User]
As = Callable[..., APIClient]

NEW_PASSWORD = "an entirely new password"
ACTS: dict[str, Callable[..., Any]] = {
    "email": lambda client, path, proof: client.patch(
        path, {"email": "mine@example.com", "name": "X", **proof}
    ),
    "email and password": lambda client, path, proof: client.patch(
        path, {"email": "mine@example.com", "password": NEW_PASSWORD, **proof}
    ),
    "password": lambda client, path, proof: client.patch(path, {"password": NEW_PASSWORD, **proof}),
    "deletion": lambda client, path, proof: client.delete(path, proof),
}
REFUSALS: list[tuple[dict[str, Any], int, str]] = [
    ({}, 400, "current_password_required"),
    ({"currentPassword": "a wrong password"}, 403, "wrong_password"),
    ({"currentPassword": PASSWORD + " "}, 403, "wrong_password"),
    ({"currentPassword": ""}, 400, "invalid_input"),
    ({"currentPassword": None}, 400, "invalid_input"),
    ({"currentPassword": [PASSWORD]}, 400, "invalid_input"),
]


def as_it_was(user: User) -> None:
    before = (user.email, user.name, user.password, user.deleted_at, user.updated_at, user.sessions_ended)
    user.refresh_from_db()
    now = (user.email, user.name, user.password, user.deleted_at, user.updated_at, user.sessions_ended)
    assert now == before


@pytest.mark.parametrize(("proof", "status", "code"), REFUSALS)
@pytest.mark.parametrize("act", ACTS)
def test_without_the_present_password_nothing_is_changed(
    make_user: Make,
    atoll_as_user: As,
    atoll_bus: Any,
    act: str,
    proof: dict[str, Any],
    status: int,
    code: str,
) -> None:
    user = make_user("ada@example.com")

    answer = ACTS[act](atoll_as_user(user.id), f"/users/{user.id}", proof)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert set(answer.json()) == {"error", "message", "code", "correlationId", "details"}
    as_it_was(user)
    assert atoll_bus.published("user.updated") == atoll_bus.published("user.deleted") == []


@pytest.mark.parametrize("act", ACTS)
def test_with_it_the_owner_acts(make_user: Make, atoll_as_user: As, act: str) -> None:
    user = make_user("ada@example.com")

    answer = ACTS[act](atoll_as_user(user.id), f"/users/{user.id}", {"currentPassword": PASSWORD})

    assert answer.status_code == (204 if act == "deletion" else 200)
    user.refresh_from_db()
    assert user.check_password(NEW_PASSWORD) == ("password" in act)
    assert (pending_email(user.id) == "mine@example.com") == ("email" in act)
    assert (user.deleted_at is not None) == (act == "deletion")


def test_support_and_administrators_act_on_others_with_their_roles_alone(
    make_user: Make, atoll_as_staff: As, atoll_as_admin: As
) -> None:
    customer, other = make_user("ada@example.com"), make_user()

    changed = atoll_as_staff().patch(f"/users/{customer.id}", {"email": "ada.king@example.com"})
    assert (changed.status_code, changed.json()["email"]) == (200, "ada.king@example.com")
    assert atoll_as_staff().delete(f"/users/{customer.id}").status_code == 204
    assert atoll_as_admin().delete(f"/users/{other.id}").status_code == 204


@pytest.mark.parametrize("act", ACTS)
def test_an_administrator_is_asked_about_the_own_account(
    make_user: Make, atoll_as_admin: As, atoll_as_user: As, act: str
) -> None:
    atoll_as_admin()
    user = make_user("ann@example.com", roles=("admin",))

    answer = ACTS[act](atoll_as_user(user.id, roles=("admin",)), f"/users/{user.id}", {})

    assert (answer.status_code, answer.json()["code"]) == (400, "current_password_required")
    as_it_was(user)


def test_a_name_needs_no_password_and_the_present_address_is_no_change(
    make_user: Make, atoll_as_user: As
) -> None:
    user = make_user("ada@example.com")

    answer = atoll_as_user(user.id).patch(
        f"/users/{user.id}", {"name": "Ada King", "email": "ADA@example.com"}
    )

    assert (answer.status_code, answer.json()["name"]) == (200, "Ada King")


@pytest.mark.usefixtures("window")
def test_guesses_at_any_of_them_are_counted_together(make_user: Make, atoll_as_user: As) -> None:
    user = make_user("ada@example.com")
    thief, path = atoll_as_user(user.id), f"/users/{user.id}"
    guess, right = {"currentPassword": "guess"}, {"currentPassword": PASSWORD}
    kinds = list(ACTS.values())

    statuses = [kinds[number % len(kinds)](thief, path, guess).status_code for number in range(10)]
    refused = [act(thief, path, right) for act in kinds]

    assert statuses == [403] * 10
    assert [answer.status_code for answer in refused] == [429] * len(kinds)
    assert all(int(answer["Retry-After"]) > 0 for answer in refused)
    as_it_was(user)


def test_the_document_says_so(client: APIClient) -> None:
    document = client.get("/schema").json()
    operations = document["paths"]["/users/{user_id}"]

    for method in ("patch", "delete"):
        schema = operations[method]["requestBody"]["content"]["application/json"]["schema"]
        named = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        assert named["properties"]["currentPassword"]["type"] == "string"
    assert set(named["properties"]) == {"currentPassword"}


@pytest.mark.usefixtures("window")
class TestInTheAdmin:
    @pytest.fixture
    def own(self, make_user: Make) -> tuple[Client, User, str]:
        user = make_user("stan@example.com", "Stan Staff", roles=("support",))
        return enter(user.email)[0], user, reverse("admin:users_user_change", args=[user.id])

    @pytest.mark.parametrize(
        ("shown", "why"),
        [("", "Enter your present password"), ("wrong", "This is not your present password.")],
    )
    def test_ones_own_address_needs_the_present_password(
        self, own: tuple[Client, User, str], shown: str, why: str
    ) -> None:
        browser, user, page = own

        answer = browser.post(page, {"email": "other@example.com", "name": "X", "current_password": shown})

        assert answer.status_code == 200
        assert why in answer.content.decode()
        as_it_was(user)

    def test_with_it_the_address_waits_to_be_confirmed_and_the_log_names_no_password(
        self, own: tuple[Client, User, str]
    ) -> None:
        browser, user, page = own

        answer = browser.post(
            page, {"email": "other@example.com", "name": "Stan Staff", "current_password": PASSWORD}
        )

        assert answer.status_code == 302
        user.refresh_from_db()
        assert user.email == "stan@example.com"
        assert pending_email(user.id) == "other@example.com"
        entry = LogEntry.objects.get()
        assert entry.object_repr == "stan@example.com"
        told = entry.get_change_message()
        assert told == "Email: stan@example.com \u2192 other@example.com, once it is confirmed"
        assert ";" not in told

    def test_ones_own_name_needs_none(self, own: tuple[Client, User, str]) -> None:
        browser, user, page = own

        assert browser.post(page, {"email": user.email, "name": "Stan"}).status_code == 302
        user.refresh_from_db()
        assert user.name == "Stan"

    def test_guesses_are_counted(self, own: tuple[Client, User, str]) -> None:
        browser, user, page = own
        wish = {"email": "other@example.com", "name": "X"}
        for _ in range(10):
            browser.post(page, wish | {"current_password": "guess"})

        answer = browser.post(page, wish | {"current_password": PASSWORD})

        assert "Too many attempts" in answer.content.decode()
        as_it_was(user)

    def test_the_account_of_another_asks_for_none(
        self, own: tuple[Client, User, str], make_user: Make
    ) -> None:
        browser, _, _ = own
        other = make_user("ada@example.com")
        page = reverse("admin:users_user_change", args=[other.id])

        assert "current_password" not in browser.get(page).content.decode()
        assert (
            browser.post(page, {"email": "king@example.com", "name": "Ada", "is_active": "on"}).status_code
            == 302
        )
        other.refresh_from_db()
        assert other.email == "king@example.com"

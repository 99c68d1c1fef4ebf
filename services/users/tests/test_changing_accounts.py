"""/users: changing accounts."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from atoll.ids import uuid7
from services.users.models import User
from services.users.tests.browsing import PASSWORD
from services.users.usecases.update_user import Changes, update_user

pytestmark = pytest.mark.django_db


PROOF = {"currentPassword": PASSWORD}


Make = Callable[..., User]


As = Callable[..., APIClient]


class TestChanging:
    def test_a_change_is_announced_with_its_new_values_only(
        self, make_user: Make, atoll_as_staff: As, atoll_bus: Any
    ) -> None:
        user = make_user("ada@example.com")

        answer = atoll_as_staff().patch(
            f"/users/{user.id}", {"email": "Countess@Example.com", "name": "Ada Lovelace"}
        )

        assert answer.status_code == 200
        assert answer.json()["email"] == "countess@example.com"
        [event] = atoll_bus.published("user.updated")
        assert event["data"]["userId"] == str(user.id)
        assert event["data"]["changes"] == {"email": "countess@example.com"}

    def test_what_changes_nothing_announces_nothing(
        self, make_user: Make, atoll_as_user: As, atoll_bus: Any
    ) -> None:
        user = make_user("ada@example.com")
        before = user.updated_at

        assert (
            atoll_as_user(user.id).patch(f"/users/{user.id}", {"email": "ADA@example.com"}).status_code == 200
        )
        assert atoll_as_user(user.id).patch(f"/users/{user.id}", {}).status_code == 200

        user.refresh_from_db()
        assert user.updated_at == before
        assert atoll_bus.published("user.updated") == []

    def test_an_address_in_use_is_refused(self, make_user: Make, atoll_as_staff: As, atoll_bus: Any) -> None:
        make_user("bob@example.com")
        ada = make_user("ada@example.com")

        answer = atoll_as_staff().patch(f"/users/{ada.id}", {"email": "BOB@example.com", "name": "X"})

        assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
        ada.refresh_from_db()
        assert (ada.email, ada.name) == ("ada@example.com", "Ada Lovelace")
        assert atoll_bus.published("user.updated") == []

    def test_a_new_password_needs_the_present_one(
        self, make_user: Make, atoll_as_user: As, atoll_bus: Any
    ) -> None:
        user = make_user()
        me, new = atoll_as_user(user.id), "an entirely new password"

        refusals = [
            me.patch(f"/users/{user.id}", {"password": new}),
            me.patch(f"/users/{user.id}", {"password": new, "currentPassword": "wrong"}),
            me.patch(f"/users/{user.id}", {"password": "short", "currentPassword": PASSWORD}),
        ]
        assert [answer.status_code for answer in refusals] == [400, 403, 400]
        user.refresh_from_db()
        assert user.check_password(PASSWORD)

        done = me.patch(f"/users/{user.id}", {"password": new, "currentPassword": PASSWORD})
        assert done.status_code == 200
        user.refresh_from_db()
        assert user.check_password(new)
        assert atoll_bus.published("user.updated") == []

    def test_staff_cannot_set_anybodys_password(self, make_user: Make, atoll_as_admin: As) -> None:
        user = make_user()
        change = {"password": "an entirely new password", "currentPassword": PASSWORD}

        assert atoll_as_admin().patch(f"/users/{user.id}", change).status_code == 403
        user.refresh_from_db()
        assert user.check_password(PASSWORD)

    @pytest.mark.parametrize("roles", [(), ("support",), ("admin",)])
    def test_nobody_raises_their_own_roles(
        self, make_user: Make, atoll_as_user: As, roles: tuple[str, ...]
    ) -> None:
        user = make_user(roles=roles)
        me = atoll_as_user(user.id, roles=roles)

        assert me.patch(f"/users/{user.id}", {"roles": ["admin"]}).status_code == 403
        user.refresh_from_db()
        assert tuple(user.roles) == roles

    def test_admins_set_the_roles_of_others(
        self, make_user: Make, atoll_as_admin: As, atoll_as_staff: As, atoll_bus: Any
    ) -> None:
        user = make_user()
        assert atoll_as_staff().patch(f"/users/{user.id}", {"roles": ["support"]}).status_code == 403

        assert atoll_as_admin().patch(f"/users/{user.id}", {"roles": ["support"]}).json()["roles"] == [
            "support"
        ]

        assert [event["data"]["changes"] for event in atoll_bus.published("user.updated")] == [
            {"roles": ["support"]}
        ]

    def test_staff_change_customers_and_no_staff(self, make_user: Make, atoll_as_staff: As) -> None:
        customer, colleague = make_user(), make_user(roles=("support",))
        staff = atoll_as_staff()

        assert staff.patch(f"/users/{customer.id}", {"isActive": False}).json()["isActive"] is False
        assert staff.patch(f"/users/{colleague.id}", {"email": "taken-over@example.com"}).status_code == 403
        assert staff.delete(f"/users/{colleague.id}").status_code == 403
        colleague.refresh_from_db()
        assert (colleague.is_active, colleague.email) == (True, colleague.email)

    def test_a_role_that_was_taken_is_gone_from_tokens_that_still_carry_it(
        self, make_user: Make, atoll_as_user: As
    ) -> None:
        make_user(roles=("admin",))
        former = make_user(roles=("admin",))
        me = atoll_as_user(former.id, roles=("admin",))
        assert me.get("/users").status_code == 200

        update_user(former.id, Changes(roles=frozenset()))

        accomplice = {"email": "eve@example.com", "password": PASSWORD, "name": "Eve", "roles": ["admin"]}
        assert me.post("/users", accomplice).status_code == 403
        assert me.get("/users").status_code == 403
        assert not User.objects.filter(email="eve@example.com").exists()

    def test_an_account_that_was_deactivated_changes_nothing_any_more(
        self, make_user: Make, atoll_as_user: As
    ) -> None:
        user = make_user()
        me = atoll_as_user(user.id)
        update_user(user.id, Changes(is_active=False))

        answers = [me.patch(f"/users/{user.id}", {"name": "Back"}), me.delete(f"/users/{user.id}")]

        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [
            (403, "invalid_token")
        ] * 2
        user.refresh_from_db()
        assert (user.name, user.deleted_at) == ("Ada Lovelace", None)

    def test_nobody_activates_themselves(self, make_user: Make, atoll_as_user: As) -> None:
        user = make_user()

        assert atoll_as_user(user.id).patch(f"/users/{user.id}", {"isActive": True}).status_code == 403

    @pytest.mark.parametrize(
        "extra",
        [
            {"id": str(uuid7())},
            {"isStaff": True},
            {"isSuperuser": True},
            {"createdAt": "2020-01-01T00:00:00Z"},
            {"deletedAt": None},
            {"lastLogin": None},
            {"balance": 100},
        ],
    )
    def test_mass_assignment_is_refused(
        self, make_user: Make, atoll_as_user: As, extra: dict[str, Any]
    ) -> None:
        user = make_user()

        answer = atoll_as_user(user.id).patch(f"/users/{user.id}", {"name": "Changed", **extra})

        assert answer.status_code == 400
        assert list(answer.json()["details"]) == list(extra)
        user.refresh_from_db()
        assert user.name == "Ada Lovelace"

    @pytest.mark.parametrize(
        "body",
        [
            {"name": None},
            {"name": 7},
            {"email": "x"},
            {"isActive": "false"},
            {"isActive": 0},
            {"roles": "staff"},
            [],
        ],
    )
    def test_wrong_types_are_refused(self, make_user: Make, atoll_as_admin: As, body: Any) -> None:
        user = make_user()

        assert atoll_as_admin().patch(f"/users/{user.id}", body).status_code == 400
        user.refresh_from_db()
        assert (user.name, user.is_active, user.roles) == ("Ada Lovelace", True, [])

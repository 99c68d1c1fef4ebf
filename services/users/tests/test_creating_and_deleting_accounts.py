"""/users: creating and deleting accounts."""

import threading
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection
from rest_framework.test import APIClient

from atoll.bus.models import Outbox
from atoll.bus.operations import personal_data
from services.users.models import User
from services.users.tests.browsing import PASSWORD
from services.users.usecases.delete_user import ERASED, delete_user
from services.users.usecases.keep_an_admin import LastAdmin
from services.users.usecases.update_user import Changes, update_user

pytestmark = pytest.mark.django_db

PROOF = {"currentPassword": PASSWORD}

Make = Callable[..., User]
As = Callable[..., APIClient]


class TestCreating:
    new = {"email": "new@example.com", "password": PASSWORD, "name": "New"}

    def test_staff_create_customers(self, atoll_as_staff: As, atoll_bus: Any) -> None:
        answer = atoll_as_staff().post("/users", self.new)

        user = User.objects.get(email="new@example.com")
        assert answer.status_code == 201
        assert answer["Location"] == f"/users/{user.id}"
        assert answer.json()["id"] == str(user.id)
        assert "password" not in answer.json()
        assert user.check_password(PASSWORD)
        assert [event["data"]["userId"] for event in atoll_bus.published("user.created")] == [str(user.id)]

    def test_only_admins_create_staff(self, atoll_as_staff: As, atoll_as_admin: As) -> None:
        refused = atoll_as_staff().post("/users", self.new | {"roles": ["support"]})
        assert refused.status_code == 403
        assert not User.objects.filter(email="new@example.com").exists()

        assert atoll_as_admin().post("/users", self.new | {"roles": ["support"]}).json()["roles"] == [
            "support"
        ]

    def test_customers_create_nothing(self, atoll_as_user: As) -> None:
        assert atoll_as_user().post("/users", self.new).status_code == 403
        assert not User.objects.exists()

    def test_an_idempotency_key_makes_one_account(self, atoll_as_staff: As) -> None:
        staff = atoll_as_staff()
        first, again = (staff.post("/users", self.new, HTTP_IDEMPOTENCY_KEY="k1") for _ in range(2))

        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert again["Idempotency-Replayed"] == "true"
        assert User.objects.filter(email=self.new["email"]).count() == 1

    @pytest.mark.parametrize("roles", [["root"], "admin", [["admin"]], [7], ["admin"] * 3, None])
    def test_unknown_roles_are_refused(self, atoll_as_admin: As, roles: Any) -> None:
        assert atoll_as_admin().post("/users", self.new | {"roles": roles}).status_code == 400
        assert not User.objects.filter(email="new@example.com").exists()


class TestDeleting:
    def test_a_deleted_account_is_an_empty_shell_and_its_address_is_free(
        self, make_user: Make, atoll_as_user: As, atoll_as_staff: As, atoll_bus: Any
    ) -> None:
        user = make_user("ada@example.com")
        me = atoll_as_user(user.id)

        assert me.delete(f"/users/{user.id}", PROOF).status_code == 204

        user.refresh_from_db()
        assert (user.email, user.name, user.roles) == (f"{user.id}@deleted.invalid", "Deleted user", [])
        assert not user.is_active
        assert not user.has_usable_password()
        assert [event["data"]["userId"] for event in atoll_bus.published("user.deleted")] == [str(user.id)]
        assert atoll_as_staff().get(f"/users/{user.id}").status_code == 404
        assert me.delete(f"/users/{user.id}").json()["code"] == "invalid_token"
        assert make_user("ada@example.com").id != user.id

    def test_a_deleted_account_is_forgotten_in_the_log_and_in_what_was_announced(
        self, make_user: Make, atoll_as_user: As, atoll_bus: Any
    ) -> None:
        user = make_user("ada@example.com")
        atoll_as_user(user.id).patch(f"/users/{user.id}", {"name": "Countess Lovelace"})
        LogEntry.objects.create(
            user=user,
            content_type=ContentType.objects.get_for_model(User),
            object_id=str(user.id),
            object_repr="ada@example.com",
            action_flag=CHANGE,
            change_message="Email: ada@example.com \u2192 countess@example.com",
        )
        Outbox.objects.update(status="published")

        assert atoll_as_user(user.id).delete(f"/users/{user.id}", PROOF).status_code == 204
        assert personal_data.erase_due() == 2

        [entry] = LogEntry.objects.all()
        assert (entry.object_repr, entry.change_message) == ("Deleted user", ERASED)
        told = " ".join(Outbox.objects.values_list("body", flat=True)).lower()
        assert not [word for word in ("ada@", "lovelace", "countess") if word in told]
        assert [event["data"]["email"] for event in atoll_bus.published("user.created")] == [""]
        assert [event["data"]["changes"] for event in atoll_bus.published("user.updated")] == [{}]

    def test_deletions_can_be_announced_again(
        self, make_user: Make, atoll_as_user: As, atoll_bus: Any
    ) -> None:
        gone, _stays = make_user("ada@example.com"), make_user("bob@example.com")
        atoll_as_user(gone.id).delete(f"/users/{gone.id}", PROOF)
        output = StringIO()
        call_command("announce_deletions", stdout=output)
        assert output.getvalue() == "1 deleted accounts announced.\n"
        told = [event["data"]["userId"] for event in atoll_bus.published("user.deleted")]
        assert told == [str(gone.id), str(gone.id)]

    def test_the_last_administrator_stays(self, make_user: Make, atoll_bus: Any) -> None:
        last = make_user(roles=("admin",))

        for go in (
            lambda: delete_user(last.id),
            lambda: update_user(last.id, Changes(is_active=False)),
            lambda: update_user(last.id, Changes(roles=frozenset({"support"}))),
        ):
            with pytest.raises(LastAdmin):
                go()

        last.refresh_from_db()
        assert (last.is_active, last.roles) == (True, ["admin"])
        assert atoll_bus.published("user.deleted") == []

    @pytest.mark.django_db(transaction=True)
    def test_of_two_administrators_who_go_at_the_same_moment_one_stays(self, make_user: Make) -> None:
        both = [make_user(roles=("admin",)) for _ in range(2)]
        together = threading.Barrier(2)
        outcomes: list[str] = []

        def go(user: User) -> None:
            together.wait()
            try:
                delete_user(user.id)
                outcomes.append("gone")
            except LastAdmin:
                outcomes.append("stays")
            finally:
                connection.close()

        threads = [threading.Thread(target=go, args=(user,)) for user in both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(outcomes) == ["gone", "stays"]
        assert User.objects.filter(roles__contains=["admin"], is_active=True).count() == 1

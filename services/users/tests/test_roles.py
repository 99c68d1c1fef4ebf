"""The roles of accounts from earlier versions."""

from importlib import import_module
from typing import Any

import pytest
from django.apps import apps

from services.users.models import User
from services.users.tests.browsing import enter

pytestmark = pytest.mark.django_db

migration: Any = import_module("services.users.migrations.0002_roles")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["staff"], ["catalogue", "support"]),
        (["admin", "staff"], ["admin", "catalogue", "support"]),
        (["admin"], ["admin"]),
        ([], []),
    ],
)
def test_staff_become_support_and_catalogue_and_nobody_an_operator(
    make_user: Any, before: list[str], after: list[str]
) -> None:
    user = make_user()
    User.objects.update(roles=before)

    migration.rename(apps, None)

    user.refresh_from_db()
    assert user.roles == after
    migration.rename_back(apps, None)
    user.refresh_from_db()
    assert user.roles == before


def test_a_row_that_the_version_before_still_writes_means_the_same(
    make_user: Any, atoll_as_support: Any
) -> None:
    user = make_user("stan@example.com")
    User.objects.filter(pk=user.pk).update(roles=["staff"])

    shown = atoll_as_support().get(f"/users/{user.id}").json()

    assert shown["roles"] == ["catalogue", "support"]
    assert enter("stan@example.com")[0].get("/admin/users/user/").status_code == 200
    assert enter("stan@example.com")[0].get("/admin/users/signingkey/add/").status_code == 403


@pytest.mark.parametrize("role", ["support", "catalogue", "operator"])
def test_an_administrator_gives_each_role_and_nobody_else_does(
    make_user: Any, atoll_as_admin: Any, atoll_as_user: Any, role: str, atoll_bus: Any
) -> None:
    user, other = make_user("ada@example.com"), make_user("bob@example.com", roles=(role,))

    refused = atoll_as_user(other.id, roles=[role]).patch(f"/users/{user.id}", {"roles": [role]})
    given = atoll_as_admin().patch(f"/users/{user.id}", {"roles": [role]})

    assert refused.status_code in (403, 404)
    assert given.json()["roles"] == [role]
    assert [event["data"]["changes"] for event in atoll_bus.published("user.updated")] == [{"roles": [role]}]


@pytest.mark.parametrize("role", ["catalogue", "operator"])
def test_only_support_reads_the_accounts_of_others(make_user: Any, atoll_as_user: Any, role: str) -> None:
    customer, member = make_user("ada@example.com"), make_user("bob@example.com", roles=(role,))
    client = atoll_as_user(member.id, roles=[role])

    assert client.get("/users").status_code == 403
    assert client.get(f"/users/{customer.id}").status_code == 404
    assert client.patch(f"/users/{customer.id}", {"isActive": False}).status_code == 404
    customer.refresh_from_db()
    assert customer.is_active

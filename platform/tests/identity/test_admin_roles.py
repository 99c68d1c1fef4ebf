"""The roles of an account in the admin of a project, and their permissions."""

import pytest
from django.contrib.auth.models import User

from atoll.identity import rights

from .sign_in import UsersService, enter, held

pytestmark = pytest.mark.django_db


def test_an_admin_who_is_only_staff_now_loses_what_admins_may(users: UsersService) -> None:
    users.roles = ("admin",)
    browser, _answer = enter(users)
    users.roles = ("support",)

    assert browser.get("/admin/").status_code == 200

    assert not User.objects.get().is_superuser


def test_the_local_row_holds_the_roles_of_the_account(users: UsersService) -> None:
    users.roles = ("support", "operator", "no such role")
    enter(users)
    assert held() == {"support", "operator"}

    users.roles = ("catalogue",)
    enter(users)
    assert held() == {"catalogue"}


def test_a_role_of_the_version_before_means_support_and_catalogue(users: UsersService) -> None:
    users.roles = ("staff",)
    enter(users)
    assert held() == {"support", "catalogue"}


def test_a_row_without_roles_is_looked_at_before_it_may_do_anything(users: UsersService) -> None:
    """It is of the version before, when roles were not kept with it."""
    browser, _answer = enter(users)
    browser.get("/admin/")
    User.objects.get().groups.clear()
    assert browser.get("/admin/testproject/note/").status_code == 200
    assert held() == {"support"}


def test_permissions_follow_the_roles_of_the_row(users: UsersService) -> None:
    enter(users)
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

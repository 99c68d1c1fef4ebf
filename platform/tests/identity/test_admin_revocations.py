"""Marks of users on an account, at the admin of another project."""

import time
from typing import Any

import pytest
from django.contrib.auth.models import User

from atoll.identity.revocations import Mark

from .sign_in import UsersService, enter, held

pytestmark = pytest.mark.django_db


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Mark]:
    """The marks of users, which every process knows within seconds."""
    made: dict[str, Mark] = {}
    monkeypatch.setattr("atoll.identity.backends.account_mark", made.get)
    return made


def now() -> int:
    return int(time.time())


@pytest.mark.parametrize("change", [{"roles": ()}, {"is_active": False}, {"id": "another"}])
def test_a_marked_account_is_looked_at_at_once_and_is_out(
    users: UsersService, change: dict[str, Any], marks: dict[str, Mark]
) -> None:
    browser, _answer = enter(users)
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
    browser, _answer = enter(users)
    browser.get("/admin/")
    users.roles = ("catalogue",)
    marks[users.id] = Mark(now(), ends_sessions=False)

    assert browser.get("/admin/").status_code == 200
    assert held() == {"catalogue"}


def test_all_sessions_of_a_project_end_when_users_says_so(
    users: UsersService, marks: dict[str, Mark]
) -> None:
    here, there = enter(users)[0], enter(users)[0]
    assert [browser.get("/admin/").status_code for browser in (here, there)] == [200, 200]

    marks[users.id] = Mark(now(), ends_sessions=True)

    assert [browser.get("/admin/").status_code for browser in (here, there)] == [302, 302]


def test_who_signs_in_after_the_mark_stays_and_older_sessions_end(
    users: UsersService, marks: dict[str, Mark]
) -> None:
    old = enter(users)[0]
    marks[users.id] = Mark(now() - 5, ends_sessions=True)

    fresh = enter(users)[0]

    assert [fresh.get("/admin/").status_code for _ in range(2)] == [200, 200]
    assert old.get("/admin/").status_code == 302


def test_a_marked_account_that_users_cannot_tell_about_waits_outside(
    users: UsersService, marks: dict[str, Mark]
) -> None:
    browser, _answer = enter(users)
    browser.get("/admin/")
    users.status = 500
    marks[users.id] = Mark(now() + 1, ends_sessions=False)
    assert browser.get("/admin/").status_code == 302

    users.status = 200
    assert browser.get("/admin/").status_code == 200

"""``manage.py users create_admin``."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from services.users.models import User
from services.users.tests.browsing import enter

pytestmark = pytest.mark.django_db

EMAIL = "root@shop.example"
PASSWORD = "a long one that nobody guesses"


@pytest.fixture
def create_admin(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run the command with a password on standard input. Returns its output."""

    def create(email: str = EMAIL, *, typed: str = f"{PASSWORD}\n", name: str = "Root") -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        said = io.StringIO()
        call_command("create_admin", email, "--password-stdin", "--name", name, stdout=said)
        return said.getvalue()

    return create


def test_the_first_administrator_is_made_announced_and_signs_in(
    create_admin: Callable[..., str], atoll_bus: Any
) -> None:
    assert create_admin("Root@Shop.example") == "root@shop.example is an administrator now.\n"

    user = User.objects.get()
    assert (user.email, user.name, user.roles, user.is_active) == (EMAIL, "Root", ["admin"], True)
    [event] = atoll_bus.published("user.created")
    assert event["data"]["userId"] == str(user.id)
    browser, _ = enter(EMAIL, PASSWORD)
    assert browser.get("/admin/").status_code == 200


def test_said_again_it_changes_nothing_and_looks_at_no_password(
    create_admin: Callable[..., str], atoll_bus: Any
) -> None:
    create_admin()
    before = User.objects.values().get()

    said = create_admin("ROOT@shop.example", typed="")

    assert said == "root@shop.example is an administrator already; nothing was changed.\n"
    assert User.objects.values().get() == before
    assert len(atoll_bus.published("user.created")) == 1


@pytest.mark.parametrize(
    ("email", "typed", "why"),
    [
        (EMAIL, "short\n", "too short"),
        (EMAIL, "password1234\n", "too common"),
        (EMAIL, f"{EMAIL}\n", "too similar"),
        (EMAIL, "", "too short"),
        ("not an address", f"{PASSWORD}\n", "not an email address"),
        ("käthe@shop.example", f"{PASSWORD}\n", "not an email address"),
    ],
)
def test_a_weak_password_or_a_bad_address_makes_nobody(
    create_admin: Callable[..., str], atoll_bus: Any, email: str, typed: str, why: str
) -> None:
    with pytest.raises(CommandError, match=why):
        create_admin(email, typed=typed)

    assert not User.objects.exists()
    assert atoll_bus.published() == []


def test_a_customers_account_is_never_made_an_administrators(
    create_admin: Callable[..., str], make_user: Callable[..., User]
) -> None:
    """A stranger who registered the address first would know the password of an administrator."""
    make_user(EMAIL)
    before = User.objects.values().get()

    with pytest.raises(CommandError, match="not an active administrator"):
        create_admin()

    assert User.objects.values().get() == before


def test_an_account_has_a_name(create_admin: Callable[..., str]) -> None:
    for name, why in ((" ", "1 to 200 characters"), ("\u200b", "visible"), ("Root\u202e", "direction")):
        with pytest.raises(CommandError, match=why):
            create_admin(name=name)

    assert not User.objects.exists()


def test_without_a_terminal_the_password_must_come_from_standard_input(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD))

    with pytest.raises(CommandError, match="--password-stdin"):
        call_command("create_admin", EMAIL)

    assert not User.objects.exists()


def test_two_passwords_that_differ_make_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    typed = iter([PASSWORD, PASSWORD.upper()])
    monkeypatch.setattr("getpass.getpass", lambda _prompt: next(typed))

    with pytest.raises(CommandError, match="differ"):
        call_command("create_admin", EMAIL)

    assert not User.objects.exists()

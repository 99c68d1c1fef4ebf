"""One password, whether a keyboard composes its letters or not."""

import io
import threading
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, check_password, make_password
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from services.users.hashing import Argon2
from services.users.models import User
from services.users.tests.browsing import enter

pytestmark = pytest.mark.django_db

PLAIN = "Zoë Ångström naïve 7"
COMPOSED, DECOMPOSED = (unicodedata.normalize(form, PLAIN) for form in ("NFC", "NFD"))
WIDE_SPACES = COMPOSED.replace(" ", "\u00a0")
SPELLINGS = {"composed": COMPOSED, "decomposed": DECOMPOSED, "other spaces": WIDE_SPACES}
NEW = "Señor Coração 2 vezes"

each = pytest.mark.parametrize("typed", SPELLINGS.values(), ids=SPELLINGS)


def sign_in(email: str, password: str) -> int:
    return int(APIClient().post("/auth/token", {"email": email, "password": password}).status_code)


def hashed_before(password: str) -> str:
    """A hash like that of earlier versions, which hashed the password as typed."""
    return Argon2PasswordHasher.encode(Argon2(), password, Argon2().salt())


def account(password_hash: str, email: str = "zoe@example.com", **more: Any) -> User:
    return User.objects.create(email=email, name="Zoë", password=password_hash, **more)


@each
def test_who_registers_with_one_spelling_signs_in_with_all(typed: str) -> None:
    new = {"email": "zoe@example.com", "password": typed, "name": "Zoë"}
    assert APIClient().post("/auth/register", new).status_code == 201

    assert [sign_in("zoe@example.com", other) for other in SPELLINGS.values()] == [200] * 3


@pytest.mark.parametrize(
    "other",
    [
        PLAIN.upper(),
        f"{PLAIN} ",
        PLAIN.replace("Z", "\uff3a"),
        PLAIN.replace("7", "\uff17"),
        PLAIN.replace("ë", "e"),
    ],
)
def test_another_password_stays_another(other: str) -> None:
    user = account(make_password(PLAIN))

    assert sign_in("zoe@example.com", other) == 401
    user.refresh_from_db()
    assert check_password(PLAIN, user.password)


@each
def test_a_change_takes_all_spellings_of_the_present_and_of_the_new_one(
    atoll_as_user: Callable[..., APIClient], typed: str
) -> None:
    user = account(make_password(COMPOSED))
    change = {"password": unicodedata.normalize("NFD", NEW), "currentPassword": typed}

    assert atoll_as_user(user.id).patch(f"/users/{user.id}", change).status_code == 200

    assert [sign_in(user.email, password) for password in (NEW, COMPOSED, typed)] == [200, 401, 401]


def test_the_length_is_that_of_the_password_and_not_of_its_spelling() -> None:
    short = unicodedata.normalize("NFD", "éàüöñçåêî")
    assert len(short) == 18

    new = {"email": "zoe@example.com", "password": short, "name": "Zoë"}
    answer = APIClient().post("/auth/register", new)

    assert (answer.status_code, answer.json()["code"]) == (400, "weak_password")
    assert not User.objects.exists()


def test_the_first_administrator_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{DECOMPOSED}\n"))
    call_command("create_admin", "root@example.com", password_stdin=True, stdout=io.StringIO())

    assert enter("root@example.com", COMPOSED)[1].status_code == 302
    assert enter("root@example.com", DECOMPOSED)[1].status_code == 302


def test_accounts_that_an_administrator_adds_too(admin: Client) -> None:
    new = {"email": "zoe@example.com", "name": "Zoë", "password": DECOMPOSED}
    assert admin.post(reverse("admin:users_user_add"), new).status_code == 302

    assert sign_in("zoe@example.com", COMPOSED) == 200


def test_ones_own_password_in_the_admin_too() -> None:
    account(make_password(COMPOSED), "stan@example.com", roles=["support"])
    browser = enter("stan@example.com", DECOMPOSED)[0]

    changed = browser.post(
        "/admin/password_change/",
        {
            "old_password": DECOMPOSED,
            "new_password1": NEW,
            "new_password2": unicodedata.normalize("NFD", NEW),
        },
    )

    assert changed.status_code == 302
    assert sign_in("stan@example.com", NEW) == 200


class TestHashesFromBefore:
    def test_the_spelling_that_was_hashed_goes_on_to_work_and_then_all_do(self) -> None:
        user = account(hashed_before(DECOMPOSED))
        former = user.password
        assert sign_in(user.email, COMPOSED) == 401
        user.refresh_from_db()
        assert user.password == former

        assert sign_in(user.email, DECOMPOSED) == 200

        user.refresh_from_db()
        assert user.password != former
        assert Argon2PasswordHasher.verify(Argon2(), COMPOSED, user.password)
        assert [sign_in(user.email, password) for password in SPELLINGS.values()] == [200] * 3

    def test_a_hash_of_todays_spelling_stays_as_it_is(self) -> None:
        user = account(hashed_before(COMPOSED))
        former = user.password

        assert [sign_in(user.email, password) for password in SPELLINGS.values()] == [200] * 3

        user.refresh_from_db()
        assert user.password == former

    @pytest.mark.django_db(transaction=True)
    def test_two_who_sign_in_at_the_same_moment_both_get_in(self) -> None:
        user = account(hashed_before(DECOMPOSED))
        together = threading.Barrier(4)
        statuses: list[int] = []

        def enter_now() -> None:
            together.wait()
            try:
                statuses.append(sign_in(user.email, DECOMPOSED))
            finally:
                connection.close()

        people = [threading.Thread(target=enter_now) for _ in range(4)]
        for person in people:
            person.start()
        for person in people:
            person.join()

        assert statuses == [200] * 4

    def test_a_password_that_was_changed_meanwhile_is_not_written_over(self) -> None:
        user = account(hashed_before(DECOMPOSED))
        seen = User.objects.get(pk=user.pk)
        new = make_password(NEW)
        User.objects.filter(pk=user.pk).update(password=new)

        assert not seen.check_password(DECOMPOSED)

        user.refresh_from_db()
        assert user.password == new


@each
def test_a_missing_account_costs_as_many_hashings_as_a_wrong_password(
    monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    account(make_password(NEW))
    work: list[str] = []
    for name in ("encode", "verify"):
        real = getattr(Argon2PasswordHasher, name)
        monkeypatch.setattr(
            Argon2PasswordHasher,
            name,
            lambda self, password, other, real=real: work.append(password) or real(self, password, other),
        )

    assert sign_in("zoe@example.com", typed) == 401
    wrong = len(work)
    assert sign_in("nobody@example.com", typed) == 401
    missing = len(work) - wrong

    assert missing == wrong == (1 if typed == COMPOSED else 2)

"""POST /auth/refresh and /auth/logout: one use, one family."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from rest_framework.test import APIClient

from atoll import identity
from atoll.testing import tokens as test_tokens
from services.users.models import RefreshFamily, RefreshToken, User
from services.users.tests.browsing import PASSWORD
from services.users.usecases.delete_user import delete_user
from services.users.usecases.update_user import Changes, update_user

pytestmark = pytest.mark.django_db


def refresh(token: str) -> Any:
    return APIClient().post("/auth/refresh", {"refreshToken": token})


def test_a_refresh_token_gives_the_next_pair(
    make_user: Callable[..., User], signed_in: Callable[..., Any]
) -> None:
    user = make_user()
    first = signed_in(user)

    answer = refresh(first["refreshToken"])

    assert answer.status_code == 200
    second = answer.json()
    assert set(second) == {"accessToken", "refreshToken", "expiresIn"}
    assert second["refreshToken"] != first["refreshToken"]
    assert identity.verify(second["accessToken"]).id == str(user.id)
    assert refresh(second["refreshToken"]).status_code == 200
    assert answer["Cache-Control"] == "no-store"


def test_a_used_token_that_comes_again_ends_the_whole_family(
    make_user: Callable[..., User], signed_in: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    user = make_user()
    other_device = signed_in(user)["refreshToken"]
    stolen = signed_in(user)["refreshToken"]
    thief = refresh(stolen).json()["refreshToken"]

    with time_machine.travel(timedelta(seconds=11), tick=False):
        answer = refresh(stolen)

    assert answer.status_code == 403
    assert answer.json()["error"] == "Invalid or expired token"
    assert refresh(thief).status_code == 403
    assert RefreshFamily.objects.get(tokens__used_at__isnull=False).revoked_because == "token reused"
    assert any("reused" in record.getMessage() for record in caplog.records)
    assert refresh(other_device).status_code == 200


def test_two_tabs_that_refresh_one_after_the_other_both_stay_signed_in(
    make_user: Callable[..., User], signed_in: Callable[..., Any]
) -> None:
    shared = signed_in(make_user())["refreshToken"]
    with time_machine.travel(timezone.now(), tick=False) as clock:
        one = refresh(shared).json()["refreshToken"]
        clock.shift(timedelta(seconds=9))
        two = refresh(shared).json()["refreshToken"]
        clock.shift(timedelta(minutes=5))
        next_of_one, next_of_two = refresh(one), refresh(two)

    assert [next_of_one.status_code, next_of_two.status_code] == [200, 200]
    assert len({shared, one, two}) == 3


def test_the_grace_is_counted_from_the_first_use_and_repeating_does_not_lengthen_it(
    make_user: Callable[..., User], signed_in: Callable[..., Any]
) -> None:
    shared = signed_in(make_user())["refreshToken"]
    with time_machine.travel(timezone.now(), tick=False) as clock:
        refresh(shared)
        clock.shift(timedelta(seconds=6))
        later = refresh(shared).json()["refreshToken"]
        clock.shift(timedelta(seconds=6))

        assert refresh(shared).status_code == 403
        assert refresh(later).status_code == 403
    assert RefreshFamily.objects.get().revoked_because == "token reused"


def test_the_grace_is_a_setting_and_zero_ends_every_repetition(
    make_user: Callable[..., User], signed_in: Callable[..., Any], settings: Any
) -> None:
    shared, other = (signed_in(make_user())["refreshToken"] for _ in range(2))
    with time_machine.travel(timezone.now(), tick=False) as clock:
        next_of_other = refresh(other).json()["refreshToken"]
        clock.shift(timedelta(seconds=2))
        settings.REFRESH_GRACE_S = 2
        assert refresh(other).status_code == 200
        clock.shift(timedelta(milliseconds=1))
        assert refresh(other).status_code == 403
        assert refresh(next_of_other).status_code == 403

        settings.REFRESH_GRACE_S = 0
        refresh(shared)
        clock.shift(timedelta(milliseconds=1))
        assert refresh(shared).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_a_copy_that_comes_too_late_ends_the_pairs_of_both_tabs_also_at_the_same_moment(
    make_user: Callable[..., User], signed_in: Callable[..., Any]
) -> None:
    shared = signed_in(make_user())["refreshToken"]
    one, two = (refresh(shared).json()["refreshToken"] for _ in range(2))
    RefreshToken.objects.filter(used_at__isnull=False).update(used_at=timezone.now() - timedelta(seconds=11))
    together = threading.Barrier(3)
    answers: dict[str, Any] = {}

    def use(token: str) -> None:
        together.wait()
        try:
            answers[token] = refresh(token)
        finally:
            connection.close()

    users = [threading.Thread(target=use, args=(token,)) for token in (shared, one, two)]
    for thread in users:
        thread.start()
    for thread in users:
        thread.join()

    assert answers[shared].status_code == 403
    given = [
        answers[token].json()["refreshToken"] for token in (one, two) if answers[token].status_code == 200
    ]
    assert {refresh(token).status_code for token in [*given, one, two]} == {403}
    assert RefreshFamily.objects.get().revoked_because == "token reused"


def test_a_repetition_within_the_grace_opens_nothing_that_was_signed_out(
    make_user: Callable[..., User], signed_in: Callable[..., Any]
) -> None:
    shared = signed_in(make_user())["refreshToken"]
    refresh(shared)
    APIClient().post("/auth/logout", {"refreshToken": shared})

    assert refresh(shared).status_code == 403
    assert RefreshToken.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_of_uses_at_the_same_moment_all_stay_signed_in(
    make_user: Callable[..., User], signed_in: Callable[..., Any]
) -> None:
    token = signed_in(make_user())["refreshToken"]
    together = threading.Barrier(6)
    answers: list[Any] = []

    def use() -> None:
        together.wait()
        try:
            answers.append(refresh(token))
        finally:
            connection.close()

    users = [threading.Thread(target=use) for _ in range(6)]
    for thread in users:
        thread.start()
    for thread in users:
        thread.join()

    assert [answer.status_code for answer in answers] == [200] * 6
    pairs = [answer.json()["refreshToken"] for answer in answers]
    assert len(set(pairs)) == 6
    assert [refresh(pair).status_code for pair in pairs] == [200] * 6
    assert RefreshToken.objects.filter(used_at=None).count() == 6


def test_signing_out_ends_the_family(make_user: Callable[..., User], signed_in: Callable[..., Any]) -> None:
    user = make_user()
    first, other = signed_in(user)["refreshToken"], signed_in(user)["refreshToken"]
    second = refresh(first).json()["refreshToken"]

    assert APIClient().post("/auth/logout", {"refreshToken": second}).status_code == 204

    assert refresh(second).status_code == 403
    assert refresh(other).status_code == 200


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", ""])
def test_signing_out_with_no_real_token_tells_nothing(token: str) -> None:
    answer = APIClient().post("/auth/logout", {"refreshToken": token})

    assert answer.status_code == (204 if token else 400)


def test_an_access_token_cannot_be_refreshed(
    make_user: Callable[..., User], signed_in: Callable[..., Any]
) -> None:
    assert refresh(signed_in(make_user())["accessToken"]).status_code == 403
    assert not RefreshToken.objects.exclude(used_at=None).exists()


def test_a_refresh_token_of_another_issuer_or_key_is_refused(
    make_user: Callable[..., User], signed_in: Callable[..., Any]
) -> None:
    user = make_user()
    signed_in(user)
    row = RefreshToken.objects.get()

    forged = test_tokens.sign(test_tokens.claims(user.id, use="refresh", jti=str(row.id)))

    assert refresh(forged).status_code == 403
    row.refresh_from_db()
    assert row.used_at is None


def test_a_refresh_token_lives_fourteen_days(
    make_user: Callable[..., User], signed_in: Callable[..., Any]
) -> None:
    token = signed_in(make_user())["refreshToken"]

    with time_machine.travel(timedelta(days=14, minutes=1), tick=False):
        assert refresh(token).status_code == 403
    with time_machine.travel(timedelta(days=13, hours=23), tick=False):
        assert refresh(token).status_code == 200


@pytest.mark.parametrize(
    "end",
    [
        lambda user: update_user(user.id, Changes(is_active=False)),
        lambda user: update_user(user.id, Changes(password_hash="!new")),
        lambda user: delete_user(user.id),
    ],
    ids=["deactivated", "new password", "deleted"],
)
def test_when_an_account_ends_or_changes_its_password_every_session_ends_at_once(
    end: Callable[[User], object], make_user: Callable[..., User], signed_in: Callable[..., Any]
) -> None:
    user, bystander = make_user(), make_user()
    ended, other = signed_in(user)["refreshToken"], signed_in(bystander)["refreshToken"]

    end(user)

    assert refresh(ended).status_code == 403
    assert refresh(other).status_code == 200


def test_a_new_role_is_in_the_next_access_token(
    make_user: Callable[..., User], signed_in: Callable[..., Any]
) -> None:
    user = make_user()
    token = signed_in(user)["refreshToken"]
    update_user(user.id, Changes(roles=frozenset({"support"})))

    assert identity.verify(refresh(token).json()["accessToken"]).roles == {"support"}


def test_no_token_is_kept_in_the_database(
    make_user: Callable[..., User], signed_in: Callable[..., Any]
) -> None:
    token = signed_in(make_user())["refreshToken"]

    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(t)::text FROM users_refreshtoken t")
        [(row,)] = cursor.fetchall()

    assert token not in row
    assert token.rsplit(".", 1)[1] not in row
    assert PASSWORD not in row

"""Actions that end tokens before their expiry, and actions that do not."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from rest_framework.test import APIClient

from atoll import identity
from atoll.identity import InvalidToken
from atoll.identity.revocations import MAX_MARKS, Revocations
from services.users import revocations
from services.users.models import RefreshFamily, Revocation, ServiceCredential, User
from services.users.tests.browsing import enter
from services.users.usecases.delete_user import delete_user
from services.users.usecases.end_sessions import Because, end_all_sessions, revoke
from services.users.usecases.grant_service_token import grant_service_token
from services.users.usecases.issue_credential import issue_credential
from services.users.usecases.update_user import Changes, update_user
from services.users.usecases.withdraw_credential import withdraw_credential

pytestmark = pytest.mark.django_db

Make = Callable[..., User]
SignedIn = Callable[..., dict[str, Any]]


def holds(token: str) -> bool:
    """Whether users takes it, and whether everybody who has fetched the list does; both agree."""
    try:
        principal = identity.verify(token)
    except InvalidToken:
        principal = None
    fetched = Revocations()
    fetched.accept(APIClient().get("/.well-known/revocations.json").json())
    with_list = not fetched.covers(read(token))
    assert with_list is (principal is not None)
    return with_list


def read(token: str) -> Any:
    from atoll.identity.tokens import key_id, principal_of
    from services.users.keys import public_key

    key = public_key(key_id(token))
    assert key is not None
    return principal_of(token, key)


@pytest.mark.parametrize(
    "end",
    [
        lambda user: update_user(user.id, Changes(is_active=False)),
        lambda user: update_user(user.id, Changes(password_hash="!new")),
        lambda user: update_user(user.id, Changes(roles=frozenset({"catalogue"}))),
        lambda user: update_user(user.id, Changes(roles=frozenset())),
        lambda user: end_all_sessions(user, Because.STAFF),
        lambda user: delete_user(user.id),
    ],
    ids=["deactivated", "new password", "other roles", "no roles", "sessions ended", "deleted"],
)
def test_access_tokens_end_with_what_they_stood_for(
    end: Callable[[User], object], make_user: Make, signed_in: SignedIn
) -> None:
    user, bystander = make_user(roles=("support",)), make_user()
    token, other = signed_in(user)["accessToken"], signed_in(bystander)["accessToken"]
    assert holds(token)

    end(user)

    assert not holds(token)
    assert holds(other)


def test_a_change_of_name_or_address_ends_nothing(make_user: Make, signed_in: SignedIn) -> None:
    user = make_user()
    token = signed_in(user)["accessToken"]

    update_user(user.id, Changes(name="Countess", email="countess@example.com"))

    assert holds(token)
    assert not Revocation.objects.exists()


def test_after_new_roles_the_next_token_is_good_in_the_same_second(
    make_user: Make, signed_in: SignedIn
) -> None:
    user = make_user(roles=("support",))
    with time_machine.travel(time.time(), tick=False):
        pair = signed_in(user)
        update_user(user.id, Changes(roles=frozenset({"operator"})))
        fresh = (
            APIClient().post("/auth/refresh", {"refreshToken": pair["refreshToken"]}).json()["accessToken"]
        )

        assert not holds(pair["accessToken"])
        assert holds(fresh)
        assert identity.verify(fresh).roles == {"operator"}


def test_signing_out_ends_that_sign_in_and_no_other(make_user: Make, signed_in: SignedIn) -> None:
    user = make_user()
    here, there = signed_in(user), signed_in(user)

    APIClient().post("/auth/logout", {"refreshToken": here["refreshToken"]})

    assert not holds(here["accessToken"])
    assert holds(there["accessToken"])


def test_a_sign_in_that_issued_nothing_lately_needs_no_mark(make_user: Make, signed_in: SignedIn) -> None:
    with time_machine.travel(timedelta(minutes=-11), tick=False):
        signed_in(make_user())

    assert revoke(RefreshFamily.objects.all(), Because.STAFF) == 1
    assert not Revocation.objects.exists()


def test_a_withdrawn_credential_ends_the_tokens_of_its_service() -> None:
    secret = issue_credential("order-service")
    token = grant_service_token("order-service", secret)
    assert holds(token)

    withdraw_credential("order-service")

    assert not holds(token)
    assert not ServiceCredential.objects.get().is_active


def test_marks_go_when_no_token_can_live_any_more(make_user: Make) -> None:
    with time_machine.travel(timedelta(minutes=-17), tick=False):
        update_user(make_user().id, Changes(is_active=False))
    assert revocations.document() == {"revoked": {}}

    later = make_user()
    update_user(later.id, Changes(is_active=False))

    assert list(Revocation.objects.values_list("key", flat=True)) == [f"sub:{later.id}"]


def test_the_list_is_bounded_and_accounts_come_before_sign_ins(make_user: Make) -> None:
    revocations.revoke_sign_ins([make_user().id for _ in range(3)])
    user = make_user()
    update_user(user.id, Changes(is_active=False))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(revocations, "MAX_MARKS", 2)
        listed = revocations.document()["revoked"]

    assert len(listed) == 2
    assert next(iter(listed)) == f"sub:{user.id}"
    assert MAX_MARKS == 5000


def test_a_later_change_of_roles_does_not_hide_that_sessions_end(make_user: Make) -> None:
    user = make_user(roles=("support",))
    end_all_sessions(user, Because.STAFF)
    update_user(user.id, Changes(roles=frozenset({"operator"})))

    assert Revocation.objects.get(key=f"sub:{user.id}").ends_sessions


@pytest.mark.parametrize("how", ["sessions ended", "deactivated", "demoted"])
def test_the_admin_of_users_is_closed_to_them_at_once(make_user: Make, how: str) -> None:
    user = make_user("stan@example.com", roles=("support",))
    browser, _answer = enter("stan@example.com")
    assert browser.get("/admin/users/user/").status_code == 200

    if how == "sessions ended":
        end_all_sessions(user, Because.STAFF)
    elif how == "deactivated":
        update_user(user.id, Changes(is_active=False))
    else:
        update_user(user.id, Changes(roles=frozenset()))

    assert browser.get("/admin/users/user/")["Location"].startswith("/admin/login/")
    assert enter("stan@example.com")[0].get("/admin/").status_code == (
        200 if how == "sessions ended" else 302
    )


@pytest.mark.django_db(transaction=True)
def test_no_token_with_former_roles_slips_through_beside_their_change(
    make_user: Make, signed_in: SignedIn
) -> None:
    user = make_user("stan@example.com", roles=("support",))
    tokens = [signed_in(user)["refreshToken"] for _ in range(6)]
    together, got = threading.Barrier(7), []

    def refresh(token: str) -> None:
        together.wait()
        try:
            got.append(APIClient().post("/auth/refresh", {"refreshToken": token}).json()["accessToken"])
        finally:
            connection.close()

    threads = [threading.Thread(target=refresh, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()
    together.wait()
    update_user(user.id, Changes(roles=frozenset({"operator"})))
    for thread in threads:
        thread.join()

    assert len(got) == 6
    for token in got:
        assert holds(token) is (read(token).roles == {"operator"})

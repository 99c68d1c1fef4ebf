"""An account in an answer is written by hand: it is what the serializer describes."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from atoll.api.renderers import render
from atoll.ids import uuid7
from atoll.testing.statements import own_statements
from services.users.api.serializers import OwnAccountSerializer, UserSerializer
from services.users.email_changes import CONFIRM_WITHIN
from services.users.errors import UserNotFound
from services.users.models import EmailChange, User
from services.users.selectors import account_as_shown, own_account_as_shown
from services.users.usecases.delete_user import delete_user
from services.users.usecases.update_user import Changes, update_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("roles", [(), ("support", "catalogue"), ("staff",)])
def test_it_is_what_the_serializer_describes(make_user: Callable[..., User], roles: tuple[str, ...]) -> None:
    user = make_user(roles=())
    User.objects.filter(pk=user.pk).update(roles=list(roles))
    user.refresh_from_db()

    assert render(account_as_shown(user.id)) == render(UserSerializer(user).data)
    assert render(own_account_as_shown(user.id)) == render(OwnAccountSerializer(user).data)


def test_the_owner_reads_a_pending_email_for_a_day(make_user: Callable[..., User]) -> None:
    user, other = make_user(), make_user()
    for account, address in ((user, "new@example.com"), (other, "another@example.com")):
        update_user(account.id, Changes(requested_email=address))

    assert own_account_as_shown(user.id)["pending_email"] == "new@example.com"
    assert render(own_account_as_shown(user.id)) == render(OwnAccountSerializer(user).data)
    EmailChange.objects.update(created_at=timezone.now() - CONFIRM_WITHIN)
    assert own_account_as_shown(user.id)["pending_email"] is None


def test_a_deleted_or_unknown_account_is_not_shown(make_user: Callable[..., User]) -> None:
    user = make_user()
    delete_user(user.id)

    for unknown in (user.id, uuid7()):
        for read in (account_as_shown, own_account_as_shown):
            with pytest.raises(UserNotFound):
                read(unknown)


def test_a_read_is_one_statement_beside_that_of_the_token(
    make_user: Callable[..., User], signed_in: Callable[..., dict[str, str]], client
) -> None:
    user = make_user()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {signed_in(user)['accessToken']}")
    client.get(f"/users/{user.id}")

    with own_statements() as statements:
        assert client.get(f"/users/{user.id}").status_code == 200

    assert len(statements) == 2

"""An account in an answer is written by hand: it is what the serializer describes."""

from collections.abc import Callable

import pytest

from atoll.api.renderers import render
from atoll.ids import uuid7
from atoll.testing.statements import own_statements
from services.users.api.serializers import UserSerializer
from services.users.errors import UserNotFound
from services.users.models import User
from services.users.selectors import account_as_shown
from services.users.usecases.delete_user import delete_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("roles", [(), ("support", "catalogue"), ("staff",)])
def test_it_is_what_the_serializer_describes(make_user: Callable[..., User], roles: tuple[str, ...]) -> None:
    user = make_user(roles=())
    User.objects.filter(pk=user.pk).update(roles=list(roles))
    user.refresh_from_db()

    assert render(account_as_shown(user.id)) == render(UserSerializer(user).data)


def test_a_deleted_or_unknown_account_is_not_shown(make_user: Callable[..., User]) -> None:
    user = make_user()
    delete_user(user.id)

    for unknown in (user.id, uuid7()):
        with pytest.raises(UserNotFound):
            account_as_shown(unknown)


def test_a_read_is_one_statement_beside_that_of_the_token(
    make_user: Callable[..., User], signed_in: Callable[..., dict[str, str]], client
) -> None:
    user = make_user()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {signed_in(user)['accessToken']}")
    client.get(f"/users/{user.id}")

    with own_statements() as statements:
        assert client.get(f"/users/{user.id}").status_code == 200

    assert len(statements) == 2

"""The rules for the API and the admin of all projects, tested for this project."""

import pytest

from atoll.testing.admin_doors import AdminDoors
from atoll.testing.doors import ApiDoors
from services.users.models import User


class TestApi(ApiDoors):
    """Health for every Host header, ids in upper case, lists that refuse unknown parameters."""


class TestAdmin(AdminDoors):
    """Addresses that were edited by hand, ids and selections that were made up."""

    backend = "services.users.backends.OwnAccounts"

    def make_administrator(self) -> User:
        return User.objects.create(email="walker@example.com", name="Walker", roles=["admin"])


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["rol=admin", "role=admin&role=staff", "page=1&page=2", "active=1&x="])
def test_a_list_of_accounts_refuses_what_it_would_misread(atoll_as_staff, query):
    refused = atoll_as_staff().get(f"/users?{query}")
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_input")

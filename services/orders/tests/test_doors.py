"""The rules for the API and the admin of all projects, tested for this project."""

import pytest

from atoll.ids import uuid7
from atoll.testing.admin_doors import AdminDoors
from atoll.testing.doors import ApiDoors
from services.orders.tests.placing import placed


class TestApi(ApiDoors):
    """Health for every Host header, ids in upper case, lists that refuse unknown parameters."""


class TestAdmin(AdminDoors):
    """Addresses that were edited by hand, ids and selections that were made up."""


@pytest.mark.django_db
def test_an_order_under_its_id_in_upper_case_is_the_same_order_with_the_same_owner(atoll_as_user):
    ada = uuid7()
    order = placed(ada)
    lower, upper = f"/orders/{order.id}", f"/orders/{str(order.id).upper()}"
    assert atoll_as_user(ada).get(upper).json() == atoll_as_user(ada).get(lower).json()
    strange = atoll_as_user(uuid7()).get(upper)
    assert (strange.status_code, strange.json()["code"]) == (404, "order_not_found")
    assert atoll_as_user(ada).post(f"{upper}/cancel", {}).status_code == 200
    order.refresh_from_db()
    assert order.status == "cancelled"


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["userid=0199a1b2-cdef-7abc-8def-abcdefabcdef", "userId=1&userId=2"])
def test_a_summary_refuses_a_mistyped_or_repeated_user(atoll_as_staff, query):
    refused = atoll_as_staff().get(f"/orders/summary?{query}")
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_input")

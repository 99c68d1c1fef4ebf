"""The rules for the API and the admin of all projects, tested for this project."""

import pytest

from atoll.testing.admin_doors import AdminDoors
from atoll.testing.doors import ApiDoors


class TestApi(ApiDoors):
    """Health for every Host header, ids in upper case, lists that refuse unknown parameters."""


class TestAdmin(AdminDoors):
    """Addresses that were edited by hand, ids and selections that were made up."""


@pytest.mark.django_db
def test_a_repeated_request_is_the_same_one_however_its_id_is_written(atoll_as_staff, make_product):
    product, staff = make_product(stock_on_hand=10), "0199a1b2-cdef-7abc-8def-abcdefabcdef"
    for text in (str(product.id), str(product.id).upper()):
        path = f"/products/{text}/stock"
        booked = atoll_as_staff(staff).post(
            path, {"amount": 5, "reason": "delivery"}, headers={"Idempotency-Key": "a"}
        )
        assert (booked.status_code, booked.json()["stockOnHand"]) == (200, 15)
    product.refresh_from_db()
    assert product.stock_on_hand == 15

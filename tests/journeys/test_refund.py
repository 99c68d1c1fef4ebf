"""Staff refund a sale and later take the goods back, in the admins of three services."""

from decimal import Decimal

import pytest

from atoll.testing.admin_browser import AdminBrowser
from atoll.testing.running import Platform, eventually
from demo.shopper import Item, Shopper

pytestmark = pytest.mark.on("embedded")


class Staff:
    """A member of staff in the admin of one service."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._browser = AdminBrowser()
        self._browser.sign_in(address, "staff@atoll.example", "atoll-demo-staff")

    def send(self, path: str, **fields: str) -> None:
        self._browser.send(self._address + path, **fields)


def test_staff_refund_a_sale_and_return_its_goods(platform: Platform, shopper: Shopper):
    product = next(found for found in shopper.products(inStock="true") if found["stock"] >= 5)
    placed = shopper.place_order([Item(product["id"], 2)], expected_total=2 * Decimal(str(product["price"])))
    assert shopper.wait_until_final(placed["id"])["status"] == "confirmed"
    (payment,) = shopper.payments(placed["id"])

    Staff(platform.url("payments")).send(
        f"/admin/payments/payment/{payment['id']}/refund/", _form_submitted="on", reason="broken on arrival"
    )

    order = eventually(
        lambda: (seen := shopper.order(placed["id"]))["status"] == "refunded" and seen, what="it is refunded"
    )
    assert (order["reason"], order["refund"]) == ("broken on arrival", "done")
    (payment,) = shopper.payments(placed["id"])
    assert payment["status"] == "refunded"
    orders = shopper.dashboard()["orders"]
    assert (orders["total"], orders["totalValue"]) == (1, 0)
    assert shopper.product(product["id"])["stock"] == product["stock"] - 2

    Staff(platform.url("orders")).send(
        f"/admin/orders/order/{placed['id']}/return-goods/", _form_submitted="on", note="parcel 17"
    )

    eventually(lambda: shopper.product(product["id"])["stock"] == product["stock"], what="the goods are back")
    eventually(
        lambda: shopper.order(placed["id"])["history"][-1]["event"] == "stock.returned", what="orders heard"
    )
    assert shopper.order(placed["id"])["status"] == "refunded"

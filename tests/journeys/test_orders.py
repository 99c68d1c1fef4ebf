"""One order from sign-up to its end, through the gateway, with real processes."""

from decimal import Decimal
from uuid import uuid4

import pytest
import requests

from atoll.testing.running import Platform, eventually
from demo.shopper import Item, Refused, Shopper


def pick(shopper: Shopper, count: int = 3) -> list[dict]:
    found = shopper.products(inStock="true", pageSize=100)
    currency = found[0]["currency"]
    return [product for product in found if product["currency"] == currency and product["stock"] >= 5][:count]


def test_an_order_goes_from_sign_up_to_confirmed(shopper: Shopper):
    products = pick(shopper)
    stock_before = {product["id"]: product["stock"] for product in products}

    placed = shopper.place_order([Item(product["id"], 2) for product in products])
    total = sum(Decimal(str(product["price"])) * 2 for product in products)
    assert (placed["status"], Decimal(str(placed["total"]))) == ("pending", total)

    final = shopper.wait_until_final(placed["id"])
    assert final["status"] == "confirmed"
    assert [entry["to"] for entry in final["history"]] == ["pending", "awaiting_payment", "confirmed"]

    [payment] = shopper.payments(placed["id"])
    assert (payment["status"], Decimal(str(payment["amount"]))) == ("completed", total)
    eventually(
        lambda: (
            {product["id"]: shopper.product(product["id"])["stock"] for product in products}
            == {product_id: stock - 2 for product_id, stock in stock_before.items()}
        ),
        what="the stock is taken once",
    )
    dashboard = shopper.dashboard()
    assert dashboard["user"]["id"] == shopper.user["id"]
    assert (dashboard["orders"]["total"], dashboard["orders"]["recent"][0]["id"]) == (1, placed["id"])
    assert Decimal(str(dashboard["orders"]["totalValue"])) == total
    assert dashboard["orders"]["totalValueCurrency"] == placed["currency"]
    [sum_] = dashboard["orders"]["totals"]
    assert (sum_["currency"], sum_["orders"]) == (placed["currency"], 1)


def test_a_declined_payment_cancels_the_order_and_gives_the_stock_back(shopper: Shopper):
    [product] = pick(shopper, 1)
    placed = shopper.place_order([Item(product["id"], 3)], payment_method="card-declined")
    final = shopper.wait_until_final(placed["id"])
    assert final["status"] == "cancelled"
    assert [payment["status"] for payment in shopper.payments(placed["id"])] == ["failed"]
    eventually(lambda: shopper.product(product["id"])["stock"] == product["stock"], what="the stock is back")
    eventually(
        lambda: "stock.released" in [entry["event"] for entry in shopper.order(placed["id"])["history"]],
        what="the order knows that its stock is back",
    )


@pytest.mark.parametrize("method", ["card-flaky", "card-timeout"])
def test_a_payment_provider_in_trouble_charges_once_in_the_end(shopper: Shopper, method: str):
    [product] = pick(shopper, 1)
    placed = shopper.place_order([Item(product["id"], 1)], payment_method=method)
    final = shopper.wait_until_final(placed["id"], timeout_s=60)
    assert final["status"] == "confirmed"
    assert [payment["status"] for payment in shopper.payments(placed["id"])] == ["completed"]


def test_more_than_there_is_cancels_the_order_and_takes_nothing(shopper: Shopper):
    scarce = min(shopper.products(inStock="true", pageSize=100), key=lambda product: product["stock"])
    placed = shopper.place_order([Item(scarce["id"], min(scarce["stock"] + 1, 1000))])
    final = shopper.wait_until_final(placed["id"])
    assert final["status"] == "cancelled"
    assert shopper.product(scarce["id"])["stock"] == scarce["stock"]
    assert shopper.payments(placed["id"]) == []


def test_the_same_idempotency_key_gives_the_same_order_and_one_charge(shopper: Shopper):
    [product] = pick(shopper, 1)
    key = str(uuid4())
    first = shopper.place_order([Item(product["id"], 1)], idempotency_key=key)
    second = shopper.place_order([Item(product["id"], 1)], idempotency_key=key)
    assert second["id"] == first["id"]
    shopper.wait_until_final(first["id"])
    assert len(shopper.orders()) == len(shopper.payments()) == 1
    with pytest.raises(Refused) as refused:
        shopper.place_order([Item(product["id"], 2)], idempotency_key=key)
    assert refused.value.status == 422


def test_deleting_an_account_ends_its_session_and_its_events_reach_orders(
    platform: Platform, shopper: Shopper
):
    [product] = pick(shopper, 1)
    placed = shopper.place_order([Item(product["id"], 1)])
    shopper.wait_until_final(placed["id"])
    renamed = requests.patch(
        f"{platform.gateway_url}/api/users/{shopper.user['id']}",
        json={"name": "Grace Hopper"},
        headers=shopper.authorization(),
        timeout=10,
    )
    assert renamed.status_code == 200
    eventually(
        lambda: shopper.order(placed["id"])["customer"]["name"] == "Grace Hopper",
        what="user.updated refreshes the name on the order",
    )


def test_one_order_can_be_followed_by_its_correlation_id_across_all_processes(
    platform: Platform, shopper: Shopper
):
    [product] = pick(shopper, 1)
    correlation_id = f"journey-{uuid4()}"
    answer = requests.post(
        f"{platform.gateway_url}/api/orders",
        json={"items": [{"productId": product["id"], "quantity": 1}], "paymentMethod": "card"},
        headers={**shopper.authorization(), "X-Correlation-ID": correlation_id},
        timeout=10,
    )
    assert (answer.status_code, answer.headers["X-Correlation-ID"]) == (201, correlation_id)
    shopper.wait_until_final(answer.json()["id"])

    def told() -> str:
        return platform.manage("logs", "--correlation", correlation_id).stdout

    services = ("api-gateway", "order-service", "product-service", "payment-service", "user-service")
    eventually(lambda: all(service in told() for service in services), what=f"{services} in the logs")
    assert all(correlation_id in line or not line.strip() for line in told().splitlines()[:1])


@pytest.mark.parametrize("arguments", [(), ("--failing",)])
def test_the_demo_tells_its_story(platform: Platform, arguments: tuple[str, ...]):
    told = platform.manage("demo", "--gateway", platform.gateway_url, *arguments)
    assert told.returncode == 0, told.stdout + told.stderr
    assert ("cancelled" if arguments else "confirmed") in told.stdout

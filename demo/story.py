"""``python manage.py demo``: place one order, and print its events as they happen."""

import argparse
import sys
import time
from datetime import datetime
from decimal import Decimal
from typing import Any

from atoll import conf, money
from atoll.dev import command
from demo.page import Page, open_page
from demo.shopper import Item, Json, NotFinal, PlatformNotRunning, Refused, Shopper

FINAL_WITHIN_S = 30.0
SETTLED_WITHIN_S = 10.0
POLL_S = 0.1
QUANTITIES = (1, 2, 3)
SERVICE_OF = {"order": "order-service", "stock": "product-service", "payment": "payment-service"}


def main(argv: list[str]) -> int:
    """Run the demo. Returns 0 if the order reaches the expected status, else 1 with the reason."""
    parser = argparse.ArgumentParser(prog="manage.py demo", description=__doc__)
    parser.add_argument("--failing", action="store_true", help="pay with a card that is declined")
    parser.add_argument("--gateway", default=conf.gateway_url(), metavar="URL")
    options = parser.parse_args(argv)
    page = open_page()
    shopper = Shopper(options.gateway)
    try:
        good = tell(shopper, page, failing=options.failing)
    except PlatformNotRunning as nobody:
        return _give_up(f"{nobody} Start the platform with `make up`, then try again.")
    except Refused as refused:
        return _give_up(f"The platform refused: {refused}")
    except NotFinal as slow:
        return _give_up(f"{slow} `{command.manage('logs')}` tells what every service is doing.")
    return 0 if good else 1


def tell(shopper: Shopper, page: Page, *, failing: bool) -> bool:
    shopper.health()
    page.heading("Signing up")
    user = shopper.register()
    page.line(f"{user['name']} <{user['email']}>")

    products = _choose(shopper)
    before = shopper.stock([product["id"] for product in products])
    items = [Item(product["id"], many) for product, many in zip(products, QUANTITIES, strict=True)]
    page.heading("Ordering three products through the gateway")
    page.table(
        ("quantity", "product", "price"),
        [
            (str(many), product["name"], _money(product["price"], product["currency"]))
            for product, many in zip(products, QUANTITIES, strict=True)
        ],
    )
    prices = [Decimal(str(product["price"])) for product in products]
    seen = sum((price * many for price, many in zip(prices, QUANTITIES, strict=True)), Decimal(0))
    order = shopper.place_order(
        items, payment_method="card-declined" if failing else "card", expected_total=seen
    )
    page.line(f"Order {order['id']}, {_money(order['total'], order['currency'])}")

    page.heading("Its journey across the services")
    journey = Journey(page, shopper, before)
    order = shopper.wait_until_final(order["id"], FINAL_WITHIN_S, on_read=journey.watch)

    page.heading("The payment")
    for payment in shopper.payments(order["id"]):
        page.line(" ".join(_payment_words(payment)))

    page.heading("The stock")
    sold = {item.product_id: item.quantity for item in items if order["status"] == "confirmed"}
    now = _settled_stock(
        shopper, {product_id: stock - sold.get(product_id, 0) for product_id, stock in before.items()}
    )
    page.table(
        ("product", "before", "lowest", "now"),
        [
            (product["name"], *(str(stock[product["id"]]) for stock in (before, journey.lowest_stock, now)))
            for product in products
        ],
    )
    good = _judge(page, order, failing=failing)
    correlation_id = order["history"][0]["correlationId"]
    page.line(f"Every line about it: {command.manage(f'logs --correlation {correlation_id}')}")
    return good


class Journey:
    """Prints each entry of an order's history once, and stores the lowest stock between the readings."""

    def __init__(self, page: Page, shopper: Shopper, stock: dict[str, int]) -> None:
        self._page = page
        self._shopper = shopper
        self._shown = 0
        self.lowest_stock = stock

    def watch(self, order: Json) -> None:
        stock = self._shopper.stock(list(self.lowest_stock))
        self.lowest_stock = {key: min(value, stock[key]) for key, value in self.lowest_stock.items()}
        history = order["history"]
        placed = datetime.fromisoformat(history[0]["at"])
        for entry in history[self._shown :]:
            passed = datetime.fromisoformat(entry["at"]) - placed
            # The first word of an event's name tells its service.
            service = SERVICE_OF.get(entry["event"].split(".")[0], "order-service")
            reason = f"  ({entry['reason']})" if entry["reason"] else ""
            self._page.line(
                f"{passed.total_seconds() * 1000:6.0f} ms  {service:<16} {entry['event']:<18} "
                f"→ {entry['to']}{reason}"
            )
        self._shown = len(history)


def _choose(shopper: Shopper) -> list[Json]:
    """Three products in stock, all in one currency."""
    found = shopper.products(inStock="true", pageSize=50)
    wanted = len(QUANTITIES)
    for currency in dict.fromkeys(product["currency"] for product in found):
        fitting = [p for p in found if p["currency"] == currency and p["stock"] >= max(QUANTITIES)]
        if len(fitting) >= wanted:
            return fitting[:wanted]
    raise Refused(404, {"error": "Empty shop", "message": "The catalogue has no three products in stock."})


def _settled_stock(shopper: Shopper, expected: dict[str, int]) -> dict[str, int]:
    """The stock after products has ended the reservation, or after SETTLED_WITHIN_S.

    The order is final a moment earlier than its stock, because the command to products is still on its
    way.
    """
    until = time.monotonic() + SETTLED_WITHIN_S
    while True:
        now = shopper.stock(list(expected))
        if now == expected or time.monotonic() > until:
            return now
        time.sleep(POLL_S)


def _judge(page: Page, order: Json, *, failing: bool) -> bool:
    took = datetime.fromisoformat(order["finishedAt"]) - datetime.fromisoformat(order["createdAt"])
    end = f"{order['status']} after {took.total_seconds():.2f} s"
    if failing:
        good = str(order["status"]) == "cancelled"
        page.verdict(f"The card was declined: the order is {end}, reason {order['reason']}.", good=good)
    else:
        good = str(order["status"]) == "confirmed"
        reason = f", reason {order['reason']}" if order["reason"] else ""
        page.verdict(f"The order is {end}{reason}.", good=good)
    return good


def _payment_words(payment: Json) -> list[str]:
    words = [_money(payment["amount"], payment["currency"]), f"by {payment['method']}:", payment["status"]]
    return [*words, f"({payment['reason']})"] if payment.get("reason") else words


def _money(amount: Any, currency: str) -> str:
    """The amount with all decimal places of its currency; JSON drops zeros at the end."""
    return f"{money.exact(Decimal(str(amount)), currency)} {currency}"


def _give_up(text: str) -> int:
    print(text, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

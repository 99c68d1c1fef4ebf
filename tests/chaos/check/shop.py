"""Invariants of orders, money and stock after a run. Each function yields the violations as texts."""

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

from tests.chaos.check.evidence import Evidence, Row

FINAL = ("confirmed", "cancelled", "refunded")
# The name that orders shows for a deleted account.
FORGOTTEN = "Deleted customer"

ORDERS = """
SELECT id::text, user_id::text, status, total, currency, customer_name,
       deadline_at < now() AS late
FROM orders_order
"""
# Refunded orders with returned goods: their lines are no longer sold.
RETURNED = """
SELECT order_id::text FROM orders_ordercompensation
WHERE kind = 'return.stock' AND state IN ('done', 'settled')
"""
LINES = "SELECT order_id::text, product_id::text, quantity FROM orders_orderline"
CHARGES = """
SELECT charge.memo, charge.state, charge.amount, charge.currency, COALESCE(refund.amount, 0) AS refunded
FROM payments_sandboxcharge AS charge
LEFT JOIN payments_sandboxrefund AS refund ON refund.charge_id = charge.id
"""
RESERVED = """
SELECT reservation.order_id::text, reservation.state, item.product_id::text, item.quantity
FROM products_stockreservation AS reservation
JOIN products_reserveditem AS item ON item.reservation_id = reservation.order_id
"""
PRODUCTS = """
SELECT id::text, stock_on_hand, stock_reserved,
       (SELECT COALESCE(sum(amount), 0) FROM products_stockmovement WHERE product_id = product.id) AS received
FROM products_product AS product
"""


def accepted_order_lost(evidence: Evidence) -> Iterator[str]:
    """Every order that a customer got an answer for exists."""
    held = {row["id"] for row in evidence.rows("orders", ORDERS)}
    for order in sorted(evidence.accepted - held):
        yield f"order {order} was accepted and is gone"


def order_doubled(evidence: Evidence) -> Iterator[str]:
    """Each Idempotency-Key has one order, and no order exists that no customer asked for."""
    asked = Counter(row["user"] for row in evidence.of("asked"))
    told = Counter(row["user"] for row in evidence.of("accepted"))
    refused = Counter(row["user"] for row in evidence.of("refused") if row["user"] and not row["unclear"])
    for row in evidence.of("accepted"):
        if len({other["order"] for other in evidence.of("accepted") if other["key"] == row["key"]}) > 1:
            yield f"key {row['key']} was answered with two orders"
    placed: Counter[str] = Counter(row["user_id"] for row in evidence.rows("orders", ORDERS))
    for user, count in placed.items():
        # A request without an answer may have created an order or not.
        most = asked[user] - refused[user]
        if user in asked and not told[user] <= count <= most:
            yield f"user {user} asked {asked[user]} times, was told of {told[user]} orders and has {count}"


def order_not_final(evidence: Evidence) -> Iterator[str]:
    """Every order is final, with all compensation confirmed or reported to staff. No deadline is open."""
    for row in evidence.rows("orders", ORDERS):
        if row["status"] not in FINAL:
            yield f"order {row['id']} is still {row['status']}{' past its deadline' * bool(row['late'])}"
    for row in evidence.rows(
        "orders", "SELECT order_id, kind FROM orders_ordercompensation WHERE state = 'asked'"
    ):
        yield f"order {row['order_id']} still waits for its {row['kind']}"
    for project, deliveries in evidence.deliveries.items():
        for delivery in deliveries:
            if delivery["token"] and delivery["status"] in ("pending", "running"):
                yield f"{project}: timer {delivery['token']} still runs"


def needs_attention(evidence: Evidence) -> int:
    """Return the orders with a compensation that failed and was reported to staff."""
    return len(
        evidence.rows(
            "orders", "SELECT DISTINCT order_id FROM orders_ordercompensation WHERE state = 'failed'"
        )
    )


def charge_not_once(evidence: Evidence) -> Iterator[str]:
    """By the provider's books, a confirmed order has one charge and any other order has none left."""
    orders = {row["id"]: row for row in evidence.rows("orders", ORDERS)}
    captured: dict[str, list[Row]] = {}
    for charge in evidence.rows("payments", CHARGES):
        if charge["state"] == "captured":
            captured.setdefault(charge["memo"], []).append(charge)
    for memo, charges in captured.items():
        if len(charges) > 1:
            yield f"order {memo} was charged {len(charges)} times"
        if memo not in orders:
            yield f"{memo} was charged, and there is no such order"
    for identifier, order in orders.items():
        kept = sum((c["amount"] - c["refunded"] for c in captured.get(identifier, [])), Decimal(0))
        owed = order["total"] if order["status"] == "confirmed" else Decimal(0)
        if kept != owed:
            yield f"order {identifier} is {order['status']}: {kept} is held of {owed} owed"


def stock_not_conserved(evidence: Evidence) -> Iterator[str]:
    """The initial stock is on hand, or sold and not returned. Nothing is reserved, nothing is negative."""
    first: dict[str, int] = next(evidence.of("stock"))["on_hand"]
    sold: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for item in evidence.rows("products", RESERVED):
        count = {"committed": sold, "held": held}.get(item["state"])
        if count is not None:
            count[item["product_id"]] += item["quantity"]
    for product in evidence.rows("products", PRODUCTS):
        identifier, on_hand, reserved = product["id"], product["stock_on_hand"], product["stock_reserved"]
        gone = sold[identifier]
        if on_hand < 0 or reserved < 0:
            yield f"product {identifier} has {on_hand} on hand and {reserved} reserved"
        if first.get(identifier, 0) != on_hand + gone:
            yield f"product {identifier}: {first.get(identifier)} at first, {on_hand} now, {gone} sold"
        if product["received"] != on_hand + gone:
            yield f"product {identifier}: {product['received']} received, {on_hand} now, {gone} sold"
        if reserved or held[identifier]:
            yield f"product {identifier}: {reserved} reserved, {held[identifier]} held by orders"


def sums_differ(evidence: Evidence) -> Iterator[str]:
    """Orders, payments and products agree. Orders show the customer's last name, or none once deleted."""
    orders = {row["id"]: row for row in evidence.rows("orders", ORDERS)}
    confirmed = {identifier for identifier, row in orders.items() if row["status"] == "confirmed"}
    turnover: Counter[str] = Counter()
    for identifier in confirmed:
        turnover[orders[identifier]["currency"]] += orders[identifier]["total"]
    kept: Counter[str] = Counter()
    for charge in evidence.rows("payments", CHARGES):
        if charge["state"] == "captured":
            kept[charge["currency"]] += charge["amount"] - charge["refunded"]
    for currency in sorted(turnover.keys() | kept.keys()):
        if turnover[currency] != kept[currency]:
            yield (
                f"confirmed orders are worth {turnover[currency]} {currency}, "
                f"the provider holds {kept[currency]}"
            )
    refunded = {identifier for identifier, row in orders.items() if row["status"] == "refunded"}
    sold = (confirmed | refunded) - {row["order_id"] for row in evidence.rows("orders", RETURNED)}
    bought = Counter(
        {
            (line["order_id"], line["product_id"]): line["quantity"]
            for line in evidence.rows("orders", LINES)
            if line["order_id"] in sold
        }
    )
    committed = Counter(
        {
            (item["order_id"], item["product_id"]): item["quantity"]
            for item in evidence.rows("products", RESERVED)
            if item["state"] == "committed"
        }
    )
    for order, product in sorted(set(bought.items()) ^ set(committed.items())):
        yield f"order and product {order}: {product} differs between orders and products"
    for payment in evidence.rows("payments", "SELECT order_id::text, status FROM payments_payment"):
        if (payment["status"] == "completed") != (payment["order_id"] in confirmed):
            status = orders.get(payment["order_id"], {"status": "unknown"})["status"]
            yield f"payment of order {payment['order_id']} is {payment['status']}, the order {status}"
    names = {
        row["id"]: row["name"]
        for row in evidence.rows("users", "SELECT id::text, name FROM users_user WHERE deleted_at IS NULL")
    }
    for identifier, order in orders.items():
        name = FORGOTTEN if order["user_id"] in evidence.deleted_accounts else names.get(order["user_id"])
        if name is not None and name != order["customer_name"]:
            yield f"order {identifier} shows {order['customer_name']!r}, the account is called {name!r}"

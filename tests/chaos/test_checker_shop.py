"""Each invariant of orders, money, stock and accounts can fail."""

from uuid import uuid4

from tests.chaos.check import shop
from tests.chaos.doctored import copy, found, one_of_ours


def test_an_accepted_order_that_is_gone(evidence):
    order = sorted(evidence.accepted)[0]
    evidence.change("orders", "DELETE FROM orders_order WHERE id = %s", order)
    assert found(shop.accepted_order_lost, evidence) == [f"order {order} was accepted and is gone"]


def test_an_order_that_nobody_was_told_of(evidence):
    evidence.change("orders", copy("orders_order", f'{{"id": "{uuid4()}"}}', one_of_ours(evidence)))
    assert len(found(shop.order_doubled, evidence)) == 1


def test_an_order_that_is_still_open(evidence):
    evidence.change(
        "orders",
        "UPDATE orders_order SET status = 'pending', reason = '', finished_at = NULL WHERE id = %s",
        sorted(evidence.accepted)[0],
    )
    assert len(found(shop.order_not_final, evidence)) == 1


def test_something_that_is_not_undone_yet(evidence):
    evidence.change(
        "orders",
        "INSERT INTO orders_ordercompensation "
        "(order_id, kind, state, asks, asked_at, due_at, ended_by, reason) "
        "SELECT id, 'refund.payment', 'asked', 1, now(), now(), '', '' "
        "FROM orders_order WHERE status = 'confirmed' LIMIT 1",
    )
    assert len(found(shop.order_not_final, evidence)) == 1


def test_a_second_charge_under_another_key(evidence):
    evidence.change(
        "payments",
        copy(
            "payments_sandboxcharge",
            f'{{"id": "{uuid4()}", "key": "again"}}',
            "id = (SELECT id FROM payments_sandboxcharge WHERE state = 'captured' LIMIT 1)",
        ),
    )
    said = found(shop.charge_not_once, evidence)
    assert any("was charged 2 times" in text for text in said)
    assert found(shop.sums_differ, evidence)


def test_money_kept_for_a_cancelled_order(evidence):
    evidence.change(
        "orders",
        "UPDATE orders_order SET status = 'cancelled', reason = 'too late' "
        "WHERE id = (SELECT id FROM orders_order WHERE status = 'confirmed' LIMIT 1)",
    )
    assert any("is cancelled" in text for text in found(shop.charge_not_once, evidence))


MONEY = (shop.charge_not_once, shop.sums_differ, shop.stock_not_conserved, shop.order_not_final)


def refund_a_sale(evidence, *, money_back: bool = True) -> str:
    """Change the rows as a refund by staff leaves them."""
    (order,) = evidence.change(
        "orders",
        "UPDATE orders_order SET status = 'refunded', reason = 'broken' "
        "WHERE id = (SELECT id FROM orders_order WHERE status = 'confirmed' LIMIT 1) RETURNING id::text",
    )
    if money_back:
        evidence.change(
            "payments",
            "INSERT INTO payments_sandboxrefund (id, amount, created_at, charge_id) "
            "SELECT gen_random_uuid(), amount, now(), id FROM payments_sandboxcharge "
            "WHERE memo = %s AND state = 'captured'",
            order,
        )
        evidence.change(
            "payments",
            "UPDATE payments_payment SET status = 'refunded', refund_reference = 're' WHERE order_id = %s",
            order,
        )
    return order


def return_its_goods(evidence, order: str, *, to_the_stock: bool = True) -> None:
    evidence.change(
        "orders",
        "INSERT INTO orders_ordercompensation "
        "(order_id, kind, state, asks, asked_at, due_at, ended_at, ended_by, reason) "
        "VALUES (%s, 'return.stock', 'done', 1, now(), now(), now(), 'stock.returned', '')",
        order,
    )
    if to_the_stock:
        evidence.change(
            "products",
            "UPDATE products_product AS product SET stock_on_hand = stock_on_hand + item.quantity "
            "FROM products_reserveditem AS item "
            "WHERE item.product_id = product.id AND item.reservation_id = %s",
            order,
        )
    evidence.change(
        "products", "UPDATE products_stockreservation SET state = 'returned' WHERE order_id = %s", order
    )


def test_a_refunded_sale_is_no_violation_with_its_goods_out_or_back(evidence):
    order = refund_a_sale(evidence)
    assert [found(check, evidence) for check in MONEY] == [[], [], [], []]
    return_its_goods(evidence, order)
    assert [found(check, evidence) for check in MONEY] == [[], [], [], []]


def test_money_kept_for_a_refunded_order(evidence):
    order = refund_a_sale(evidence, money_back=False)
    assert any(f"order {order} is refunded" in text for text in found(shop.charge_not_once, evidence))
    assert found(shop.sums_differ, evidence)


def test_goods_that_are_said_to_be_back_and_are_not_in_the_stock(evidence):
    return_its_goods(evidence, refund_a_sale(evidence), to_the_stock=False)
    assert found(shop.stock_not_conserved, evidence)


def test_goods_in_the_stock_of_a_refunded_order_that_keeps_them(evidence):
    order = refund_a_sale(evidence)
    evidence.change(
        "products", "UPDATE products_stockreservation SET state = 'returned' WHERE order_id = %s", order
    )
    assert found(shop.sums_differ, evidence)


def test_stock_that_vanished(evidence):
    (product,) = evidence.change(
        "products",
        "UPDATE products_product SET stock_on_hand = stock_on_hand - 1 "
        "WHERE id = (SELECT id FROM products_product WHERE stock_on_hand > 5 LIMIT 1) RETURNING id::text",
    )
    said = found(shop.stock_not_conserved, evidence)
    assert len(said) == 2
    assert all(product in text for text in said)


def test_stock_that_stays_reserved(evidence):
    evidence.change(
        "products",
        "UPDATE products_product SET stock_reserved = 1 "
        "WHERE id = (SELECT id FROM products_product WHERE stock_on_hand > 5 LIMIT 1)",
    )
    assert len(found(shop.stock_not_conserved, evidence)) == 1


def test_a_sale_that_products_does_not_know_of(evidence):
    evidence.change(
        "products",
        "UPDATE products_stockreservation SET state = 'released' "
        "WHERE order_id = (SELECT order_id FROM products_stockreservation WHERE state = 'committed' LIMIT 1)",
    )
    assert found(shop.sums_differ, evidence)


def test_a_name_that_orders_never_heard_of(evidence):
    evidence.change(
        "users",
        "UPDATE users_user SET name = 'Somebody Else' WHERE id = ANY(%s::uuid[])",
        [row["user"] for row in evidence.of("accepted")],
    )
    assert found(shop.sums_differ, evidence)

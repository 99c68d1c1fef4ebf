import socket

import pytest

from atoll.dev import command
from demo import page, story
from demo.tests.shop import Shop

DECLINED = ("stock.reserved awaiting_payment", "payment.failed cancelled")


@pytest.fixture(params=[True, False], ids=["with rich", "without rich"])
def any_terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "RICH", request.param)


def told(shop: Shop, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str]]:
    code = story.main(["--gateway", shop.url, *arguments])
    return code, [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.usefixtures("any_terminal")
def test_a_confirmed_order_is_told_step_by_step(shop, capsys):
    code, lines = told(shop, capsys)
    assert code == 0
    assert "0 ms order-service order.placed → pending" in lines
    assert "250 ms product-service stock.reserved → awaiting_payment" in lines
    assert "250 ms payment-service payment.completed → confirmed" in lines
    assert lines.count("60.00 EUR by card: completed") == 1
    assert "The order is confirmed after 0.25 s." in lines
    assert lines[-1] == f"Every line about it: {command.manage('logs --correlation c1')}"
    for row in ("Lamp 10 9 9", "Rope 10 8 8", "Tent 10 7 7"):
        assert row in lines


@pytest.mark.usefixtures("any_terminal")
def test_a_declined_payment_shows_the_stock_going_and_coming_back(shop, capsys):
    shop.steps = list(DECLINED)
    code, lines = told(shop, capsys, "--failing")
    assert code == 0
    assert shop.order["paymentMethod"] == "card-declined"
    assert "The card was declined: the order is cancelled after 0.25 s, reason card_declined." in lines
    for row in ("Lamp 10 9 10", "Rope 10 8 10", "Tent 10 7 10"):
        assert row in lines


def test_an_order_that_ends_otherwise_than_promised_is_a_failure(shop, capsys):
    shop.steps = list(DECLINED)
    code, lines = told(shop, capsys)
    assert code == 1
    assert "The order is cancelled after 0.25 s, reason card_declined." in lines


def test_a_platform_that_does_not_run_is_told_with_what_to_do(capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert story.main(["--gateway", url]) == 1
    assert capsys.readouterr().err == (
        f"Nothing answers at {url}. Start the platform with `make up`, then try again.\n"
    )


def test_an_order_that_stays_open_is_a_failure(shop, capsys, monkeypatch):
    monkeypatch.setattr(story, "FINAL_WITHIN_S", 0.05)
    shop.steps = []
    assert story.main(["--gateway", shop.url]) == 1
    assert "Order o1 is still pending after 0 s." in capsys.readouterr().err


def test_a_shop_with_nothing_in_stock_is_told_plainly(shop, capsys):
    shop.stock = {"lamp": 0, "rope": 10, "tent": 10}
    assert story.main(["--gateway", shop.url]) == 1
    assert "The catalogue has no three products in stock." in capsys.readouterr().err


def test_what_the_platform_refuses_is_passed_on(shop, capsys):
    shop.broken_with = (429, b'{"error": "Too many requests from this IP", "message": "Wait 7 seconds."}')
    assert story.main(["--gateway", shop.url]) == 1
    assert capsys.readouterr().err == (
        "The platform refused: 429 Too many requests from this IP: Wait 7 seconds.\n"
    )


def test_a_gateway_that_is_not_ready_is_told_with_what_to_do(shop, capsys):
    shop.broken_with = (503, b'{"status": "unavailable"}')
    assert story.main(["--gateway", shop.url]) == 1
    assert capsys.readouterr().err == (
        f"{shop.url} is not ready yet: {{'status': 'unavailable'}} "
        "Start the platform with `make up`, then try again.\n"
    )

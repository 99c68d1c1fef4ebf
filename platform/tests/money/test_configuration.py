"""Variables about money and bounds: refusals at the start name the variable."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from atoll import conf, settings


@pytest.mark.parametrize(("given", "meant"), [(None, "EUR"), ("", "EUR"), ("JPY", "JPY"), ("BHD", "BHD")])
def test_the_shop_has_one_currency(monkeypatch, given, meant):
    monkeypatch.delenv("SHOP_CURRENCY", raising=False)
    if given is not None:
        monkeypatch.setenv("SHOP_CURRENCY", given)
    assert settings.shop_currency("products") == meant
    monkeypatch.setenv("PRODUCTS_SHOP_CURRENCY", "USD")
    assert (settings.shop_currency("products"), settings.shop_currency("payments")) == ("USD", meant)


@pytest.mark.parametrize("given", ["XAU", "eur", "EURO", "€"])
def test_a_currency_that_is_none_stops_the_start_by_name(monkeypatch, given):
    monkeypatch.setenv("SHOP_CURRENCY", given)
    with pytest.raises(ImproperlyConfigured, match="SHOP_CURRENCY"):
        settings.shop_currency("products")


def test_a_whole_number_is_read(monkeypatch):
    monkeypatch.delenv("MAX_OPEN_ORDERS", raising=False)
    assert conf.whole_number("MAX_OPEN_ORDERS", 50, "orders") == 50
    monkeypatch.setenv("MAX_OPEN_ORDERS", "7")
    assert conf.whole_number("MAX_OPEN_ORDERS", 50, "orders") == 7


@pytest.mark.parametrize("given", ["0", "-1", "1.5", "many", "1e3", " 7", "٧"])
def test_what_is_no_whole_number_from_1_stops_the_start_by_name(monkeypatch, given):
    monkeypatch.setenv("MAX_OPEN_ORDERS", given)
    with pytest.raises(ImproperlyConfigured, match="MAX_OPEN_ORDERS"):
        conf.whole_number("MAX_OPEN_ORDERS", 50, "orders")

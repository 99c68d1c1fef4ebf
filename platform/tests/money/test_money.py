"""Amounts and the currencies of ISO 4217: which fit, which are refused, and their texts."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll import money

# One currency of each kind, with its smallest amount.
KINDS = [("EUR", "0.01"), ("JPY", "1"), ("KRW", "1"), ("BHD", "0.001"), ("TND", "0.001"), ("CLF", "0.0001")]
NO_CURRENCY = ["XAU", "XDR", "XTS", "XXX", "ABC", "eur", "EURO", "EU", "", "BGN", "DEM", "€", "EUR\n"]


def test_the_table_holds_every_code_with_minor_units_of_the_list():
    assert len(money.PLACES) == 165
    by_places = {count: sum(value == count for value in money.PLACES.values()) for count in (0, 2, 3, 4)}
    assert by_places == {0: 17, 2: 139, 3: 7, 4: 2}
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in money.PLACES)


@pytest.mark.parametrize("code", NO_CURRENCY)
def test_a_code_without_minor_units_or_unknown_is_refused(code):
    for ask in (money.places, money.largest):
        with pytest.raises(money.UnknownCurrency):
            ask(code)
    with pytest.raises(money.UnknownCurrency):
        money.check(Decimal(1), code)


@pytest.mark.parametrize(("code", "smallest"), KINDS)
def test_the_smallest_amount_fits_and_a_tenth_of_it_does_not(code, smallest):
    amount = Decimal(smallest)
    assert str(money.check(amount, code)) == smallest
    assert money.minor_units(amount, code) == 1
    with pytest.raises(money.UnfitAmount, match=f"{code} has"):
        money.check(amount / 10, code)


@pytest.mark.parametrize(("code", "smallest"), KINDS)
def test_the_largest_amount_fits_every_column_and_a_double_and_one_more_does_not(code, smallest):
    most = money.largest(code)
    assert money.minor_units(most, code) == money.MAX_MINOR_UNITS
    assert most <= money.MAX_AMOUNT
    stored = most.quantize(Decimal(1).scaleb(-money.DECIMALS))
    assert stored == most
    assert len(stored.as_tuple().digits) <= money.DIGITS
    assert Decimal(repr(float(most))) == most
    with pytest.raises(money.UnfitAmount):
        money.check(most + Decimal(smallest), code)


@pytest.mark.parametrize("amount", ["NaN", "-NaN", "sNaN", "Infinity", "-Infinity", "-1", "1E+400", "1E-400"])
def test_what_is_no_amount_is_refused(amount):
    with pytest.raises(money.UnfitAmount):
        money.check(Decimal(amount), "EUR")


def test_superfluous_zeros_do_not_make_an_amount_unfit():
    assert str(money.check(Decimal("39.9000"), "EUR")) == "39.90"
    assert str(money.check(Decimal("1E+2"), "JPY")) == "100"
    assert str(money.check(Decimal("100.0"), "JPY")) == "100"


@given(units=st.integers(0, money.MAX_MINOR_UNITS), code=st.sampled_from(sorted(money.PLACES)))
def test_minor_units_and_amounts_are_one_and_the_same(units, code):
    amount = money.from_minor_units(units, code)
    assert money.minor_units(amount, code) == units
    assert money.check(amount, code) == amount


@pytest.mark.parametrize(
    ("amount", "code", "shown"),
    [
        ("39.9000", "EUR", "39.90"),
        ("100.0000", "JPY", "100"),
        ("1.2340", "BHD", "1.234"),
        ("0.0001", "CLF", "0.0001"),
        ("10.5000", "JPY", "10.5"),
        ("100.0000", "ZZZ", "100"),
        ("0", "", "0"),
        ("1200.0000", "", "1200"),
    ],
)
def test_amounts_are_shown_with_the_places_of_their_currency_and_never_rounded(amount, code, shown):
    assert str(money.exact(Decimal(amount), code)) == shown

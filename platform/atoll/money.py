"""Money: an exact amount and a currency of ISO 4217, with the decimal places that the currency has.

The table is list one of ISO 4217 as its maintenance agency published it on 2026-01-01: every
code that has minor units. Metals, baskets, bonds, tests and "no currency" (XAU, XDR, XXX, ...)
have none and are refused, and so is a code that left the list.

One bound holds for all services: ``MAX_MINOR_UNITS`` of a currency, such as 9,999,999,999,999.99
EUR or 999,999,999,999,999 JPY. These are 15 digits, which a client that reads JSON numbers as
doubles still gets exactly. ``DIGITS`` and ``DECIMALS`` are those of every column that holds money:
numeric(19, 4) stores each amount within the bound exactly.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

__all__ = [
    "DECIMALS",
    "DIGITS",
    "MAX_AMOUNT",
    "MAX_MINOR_UNITS",
    "PLACES",
    "UnfitAmount",
    "UnknownCurrency",
    "check",
    "exact",
    "from_minor_units",
    "largest",
    "minor_units",
    "places",
    "text",
]

DIGITS = 19
DECIMALS = 4
MAX_MINOR_UNITS = 10**15 - 1
# The bound of a column, whatever the currency; one with decimal places has a lower bound.
MAX_AMOUNT = Decimal(MAX_MINOR_UNITS)

NO_BREAK_SPACE = "\u00a0"

_TWO = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE
CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD
HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK
MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD
RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH
USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG
"""
_BY_PLACES = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    2: _TWO,
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
PLACES: Mapping[str, int] = MappingProxyType(
    {code: places for places, codes in _BY_PLACES.items() for code in codes.split()}
)


class UnknownCurrency(ValueError):
    """The code is not in ISO 4217, or has no minor units."""


class UnfitAmount(ValueError):
    """The amount does not fit its currency: too many places, too large, or below zero."""


def places(currency: str) -> int:
    """Decimal places of the currency. Raises UnknownCurrency."""
    try:
        return PLACES[currency]
    except KeyError:
        raise UnknownCurrency(
            f"{currency[:10]!r} is no currency code of ISO 4217 that has minor units, such as EUR."
        ) from None


def largest(currency: str) -> Decimal:
    """The largest price, total or payment in the currency. Raises UnknownCurrency."""
    return from_minor_units(MAX_MINOR_UNITS, currency)


def check(amount: Decimal, currency: str) -> Decimal:
    """The same amount, written with the places of its currency. Raises UnknownCurrency, UnfitAmount."""
    count = places(currency)
    if not (amount.is_finite() and 0 <= amount <= largest(currency)):
        raise UnfitAmount(f"An amount in {currency} is from 0 to {largest(currency)}.")
    written = _with_places(amount, count)
    if written != amount:
        allowed = f"{count} decimal places" if count else "no decimal places"
        raise UnfitAmount(f"{currency} has {allowed}: this amount has more.")
    return written


def minor_units(amount: Decimal, currency: str) -> int:
    """The amount as a provider counts it: 1990 for 19.90 EUR. Raises UnknownCurrency, UnfitAmount."""
    return int(check(amount, currency).scaleb(places(currency)))


def from_minor_units(units: int, currency: str) -> Decimal:
    """19.90 for 1990 of EUR. Raises UnknownCurrency."""
    return Decimal(units).scaleb(-places(currency))


def exact(amount: Decimal, currency: str) -> Decimal:
    """The amount for display, with the places of its currency and never rounded.

    An amount that was stored before its currency was checked keeps its digits.
    """
    count = PLACES.get(currency, 0)
    written = _with_places(amount, count)
    if written == amount:
        return written
    shown = amount.normalize()
    return shown.quantize(Decimal(1)) if shown == shown.to_integral_value() else shown


def text(amount: Decimal, currency: str) -> str:
    """For a person: ``19.90 EUR``, with a space at which no line breaks."""
    return f"{exact(amount, currency)}{NO_BREAK_SPACE}{currency}"


def _with_places(amount: Decimal, count: int) -> Decimal:
    return amount.quantize(Decimal(1).scaleb(-count))

"""Whoever really moves the money, behind one interface.

``charge`` and ``cancel`` ask over a network, so they are called outside any
transaction. Both take the caller's key and may be repeated with it at will.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from atoll.errors import Misuse, Unavailable

# The reason of a charge that was refused or given back because the order was called off.
CANCELLED = "cancelled"


class Outcome(StrEnum):
    CAPTURED = "captured"
    DECLINED = "declined"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Charge:
    """What became of a key. ``reference`` is the provider's name for a captured charge."""

    outcome: Outcome
    reference: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Cancellation:
    """Nothing is held under the key any more; ``refund_reference`` when money had to go back."""

    refund_reference: str = ""


class ProviderUnavailable(Unavailable):
    """The provider failed and took no money; ask again with the same key."""


class ProviderTimeout(Unavailable):
    """No answer in time: it may or may not have taken the money; ask again with the same key."""


class KeyReused(Misuse):
    """The key was used before with another amount, currency or method."""


class PaymentProvider(Protocol):
    """What every provider promises: one key takes money at most once, however often it is asked,
    and answers alike until it is cancelled."""

    def charge(self, key: str, *, minor_units: int, currency: str, method: str, memo: str) -> Charge:
        """Take the money, unless the key has an outcome already: then that one again.

        ``minor_units`` of the currency: 1990 is 19.90 EUR, and 1990 JPY.

        Raises ProviderUnavailable, ProviderTimeout, KeyReused.
        """

    def cancel(self, key: str) -> Cancellation:
        """Give back what was taken under the key and see to it that nothing ever is, even by a
        charge that is still on its way.

        Raises ProviderUnavailable, ProviderTimeout.
        """


@cache
def _load(path: str) -> PaymentProvider:
    made: PaymentProvider = import_string(path)()
    return made


def provider() -> PaymentProvider:
    """The provider that ``settings.PAYMENT_PROVIDER`` names, one for the process."""
    return _load(settings.PAYMENT_PROVIDER)

"""The interface of payment providers.

``charge`` and ``cancel`` use the network, so call them outside of transactions. Both are
idempotent by the caller's key.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from atoll.errors import Misuse, Unavailable

# The reason of a charge that was refused or refunded because of a cancelled order.
CANCELLED = "cancelled"


class Outcome(StrEnum):
    CAPTURED = "captured"
    DECLINED = "declined"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class Charge:
    """The outcome of a key. ``reference`` is the provider's id of a captured charge."""

    outcome: Outcome
    reference: str = ""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Cancellation:
    """The provider has no money for the key any more. ``refund_reference``: the id of a refund, if any."""

    refund_reference: str = ""


class ProviderUnavailable(Unavailable):
    """The provider failed and charged nothing; ask again with the same key."""


class ProviderTimeout(Unavailable):
    """No answer in time; the charge may or may not have happened. Ask again with the same key."""


class KeyReused(Misuse):
    """An earlier charge with this key had another amount, currency or method."""


class PaymentProvider(Protocol):
    """The promises of a provider: at most one charge per key, and the same answer for repeats of a key
    until its cancellation."""

    def charge(self, key: str, *, minor_units: int, currency: str, method: str, memo: str) -> Charge:
        """Charge once per key; a repeat returns the first outcome.

        ``minor_units`` of the currency: 1990 is 19.90 EUR, and 1990 JPY. Raises ProviderUnavailable,
        ProviderTimeout, KeyReused.
        """

    def cancel(self, key: str) -> Cancellation:
        """Refund the charge of the key, and prevent a later charge, even one that is on its way.

        Raises ProviderUnavailable, ProviderTimeout.
        """


@cache
def _load(path: str) -> PaymentProvider:
    loaded: PaymentProvider = import_string(path)()
    return loaded


def provider() -> PaymentProvider:
    """The provider of ``settings.PAYMENT_PROVIDER``; one object per process."""
    return _load(settings.PAYMENT_PROVIDER)

"""The bearer token that proves which service is calling.

SERVICE_TOKEN is a token that never changes, such as one that the other side has given out. Without it
``atoll.identity`` supplies the token, where it is installed; the client does not know how tokens are issued.
"""

from collections.abc import Callable

from atoll import conf

Supplier = Callable[[], str | None]


def _none() -> None:
    return None


_supplier: Supplier = _none


def supply(supplier: Supplier) -> None:
    """From now on `own_token` calls ``supplier``, which may raise Unavailable."""
    global _supplier
    _supplier = supplier


def own_token() -> str | None:
    """None where nothing gives this service a token. Raises Unavailable when none can be had now."""
    return conf.variable("SERVICE_TOKEN") or _supplier()

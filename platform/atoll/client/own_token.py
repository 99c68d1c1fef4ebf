"""The token that proves which service is calling.

``atoll.identity`` supplies it when Django starts; the client knows nothing of how tokens are issued.
"""

from collections.abc import Callable

from django.core.exceptions import ImproperlyConfigured

Supplier = Callable[[], str]


def _not_supplied() -> str:
    raise ImproperlyConfigured(
        "This call needs the service's own token: add atoll.identity to INSTALLED_APPS, or pass token=False."
    )


_supplier: Supplier = _not_supplied


def supply(supplier: Supplier) -> None:
    """From now on `own_token` calls ``supplier``, which may raise Unavailable."""
    global _supplier
    _supplier = supplier


def own_token() -> str:
    """Raises Unavailable when no token can be had, ImproperlyConfigured when nothing supplies one."""
    return _supplier()

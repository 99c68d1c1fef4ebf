"""The bus's tiles on the admin's first page."""

from collections.abc import Callable

from django.db.models import Model

from atoll.admin import register_tile
from atoll.bus.models import Delivery, Outbox, Quarantine
from atoll.bus.operations import failing_deliveries, stats


def _count(model: type[Model], status: str) -> Callable[[], str | int]:
    def count() -> str | int:
        found = model._default_manager.filter(status=status).order_by()[: stats.MAX_COUNTED].count()
        return _told(found)

    return count


def _told(found: int) -> str | int:
    return f"{found:,}+" if found == stats.MAX_COUNTED else found


def _failing() -> str | int:
    return _told(failing_deliveries.queryset()[: stats.MAX_COUNTED].count())


register_tile("Failing now", _failing, url_name="admin:atoll_bus_dead_letters", alarming=True)
register_tile(
    "Dead letters", _count(Delivery, "dead"), url_name="admin:atoll_bus_dead_letters", alarming=True
)
register_tile(
    "Quarantine",
    _count(Quarantine, "waiting"),
    url_name="admin:atoll_bus_quarantine_changelist",
    query="status__exact=waiting",
    alarming=True,
)
register_tile("Messages to publish", _count(Outbox, "pending"), url_name="admin:atoll_bus_overview")

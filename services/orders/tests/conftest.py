import socket
from collections.abc import Iterator

import pytest
from django.test import Client

from atoll.identity.roles import SUPPORT
from atoll.testing.rights import member
from services.orders.models import Order
from services.orders.tests.compensating import tell
from services.orders.tests.neighbours import Neighbours, serving
from services.orders.tests.placing import BY_CUSTOMER, placed
from services.orders.usecases.cancel_order import cancel_order


@pytest.fixture
def neighbours(monkeypatch: pytest.MonkeyPatch) -> Iterator[Neighbours]:
    """One server of this test answers for users and products."""
    there = Neighbours()
    with serving(there):
        monkeypatch.setenv("USER_SERVICE_URL", there.url)
        monkeypatch.setenv("PRODUCT_SERVICE_URL", there.url)
        yield there


@pytest.fixture
def nobody_there() -> Iterator[str]:
    """The address of a port that is bound and does not accept connections."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def staff(client: Client) -> Client:
    """A browser session of a user with the role support."""
    client.force_login(member(SUPPORT), backend="atoll.identity.backends.AccountBackend")
    return client


@pytest.fixture
def cancelled(atoll_bus, settings) -> Order:
    """Cancelled while its payment was under way: both compensations are asked for, with 900 s each."""
    settings.COMPENSATION_DEADLINE_S = 900
    order = placed()
    tell(atoll_bus, "stock.reserved", order)
    return cancel_order(order.id, BY_CUSTOMER, reason="changed my mind")

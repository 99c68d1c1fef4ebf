import socket
from collections.abc import Iterator

import pytest
from django.test import Client

from atoll.identity.roles import SUPPORT
from atoll.testing.rights import member
from services.orders.tests.neighbours import Neighbours, serving


@pytest.fixture
def neighbours(monkeypatch: pytest.MonkeyPatch) -> Iterator[Neighbours]:
    """Users and products, both answered by one server of this test."""
    there = Neighbours()
    with serving(there):
        monkeypatch.setenv("USER_SERVICE_URL", there.url)
        monkeypatch.setenv("PRODUCT_SERVICE_URL", there.url)
        yield there


@pytest.fixture
def nobody_there() -> Iterator[str]:
    """The address of a port that is taken and answers nobody."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def staff(client: Client) -> Client:
    """A browser signed in by somebody of support."""
    client.force_login(member(SUPPORT), backend="atoll.identity.backends.AccountBackend")
    return client

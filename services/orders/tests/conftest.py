import socket
from collections.abc import Iterator

import pytest

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

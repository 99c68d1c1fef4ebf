"""Handlers that last for one test."""

from collections.abc import Iterator

import pytest

from atoll.bus.handlers import registry


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """None are registered but this test's own."""
    held = registry.handlers()
    registry._handlers.clear()
    yield
    registry._handlers[:] = held

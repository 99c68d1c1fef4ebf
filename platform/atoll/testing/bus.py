"""The ``atoll_bus`` fixture: the messages of a service, and their results."""

import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from atoll.testing.harness import Bus

__all__ = ["Bus", "atoll_bus", "pytest_runtest_call"]

ASYNC_UNSAFE = "DJANGO_ALLOW_ASYNC_UNSAFE"
OPENED: "pytest.StashKey[Bus]" = pytest.StashKey()


def __getattr__(name: str) -> object:
    # pytest imports a plugin before Django is set up, and the harness needs models.
    if name == "Bus":
        from atoll.testing.harness import Bus

        return Bus
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@pytest.fixture
def atoll_bus(request: pytest.FixtureRequest, db: None) -> Iterator["Bus"]:
    """The bus of the service under test, without broker, Celery and threads.

    A test fails at its end when a handler failed and the test does not expect that (``atoll_bus.failed``).
    """
    from atoll.testing.harness import Bus

    opened = Bus()
    request.node.stash[OPENED] = opened
    yield opened
    opened.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Fail a test that passed although a handler failed unexpectedly."""
    outcome = yield
    opened = item.stash.get(OPENED, None)
    if opened is not None:
        with _beside_an_event_loop():
            unexpected = opened.unexpected_failures()
        if unexpected:
            pytest.fail(unexpected, pytrace=False)
    return outcome


@contextmanager
def _beside_an_event_loop() -> Iterator[None]:
    """Let Django read the database while the loop of a browser still runs in this thread."""
    held = os.environ.get(ASYNC_UNSAFE)
    os.environ[ASYNC_UNSAFE] = "1"
    try:
        yield
    finally:
        if held is None:
            del os.environ[ASYNC_UNSAFE]
        else:
            os.environ[ASYNC_UNSAFE] = held

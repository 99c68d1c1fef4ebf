"""The ``bus`` fixture: the messages of a service, and their results."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from atoll.testing.harness import Bus

__all__ = ["Bus", "bus"]


def __getattr__(name: str) -> object:
    # pytest imports a plugin before Django is set up, and the harness needs models.
    if name == "Bus":
        from atoll.testing.harness import Bus

        return Bus
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@pytest.fixture
def bus(db: None) -> Iterator["Bus"]:
    """The bus of the service under test, without broker, Celery and threads."""
    from atoll.testing.harness import Bus

    opened = Bus()
    yield opened
    opened.close()

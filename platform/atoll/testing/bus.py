"""The ``bus`` fixture: what a service announced, what came to it, and what came of that."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from atoll.testing.harness import Bus

__all__ = ["Bus", "bus"]


def __getattr__(name: str) -> object:
    # A plugin is imported before Django is set up; the harness needs its models.
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

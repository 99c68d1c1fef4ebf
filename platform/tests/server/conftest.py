from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atoll.discovery.cache import Discovery
from atoll.discovery.last_good import LastGood
from atoll.discovery.registry import RegistryClient
from server.running import SECRETS, World


@pytest.fixture(scope="module")
def world(tmp_path_factory: Any, django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """A registry that runs, and a place to serve from."""
    world = World(tmp_path_factory.mktemp("serve"))
    try:
        with django_db_blocker.unblock():
            world.prepare()
        world.start_registry()
        yield world
    finally:
        world.close()


@pytest.fixture
def in_world(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process sees that world's projects, too."""
    monkeypatch.setenv("ATOLL_ROOT", str(world.folder))
    monkeypatch.setenv("LIBRARY_SERVICE_SECRET", SECRETS["library"])
    yield
    monkeypatch.undo()


@pytest.fixture
def discovery(world: World, in_world: None, tmp_path: Path) -> Iterator[Discovery]:
    """Watches the world's registry as a service would."""
    discovery = Discovery(RegistryClient("library", url=world.registry_url), LastGood(tmp_path))
    yield discovery
    discovery.close()

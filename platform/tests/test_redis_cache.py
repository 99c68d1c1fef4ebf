"""The cache of the projects: one client for a thread, however many commands."""

from typing import Any

import pytest
from django.core.cache import caches
from redis import Redis

from atoll import conf


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Redis]:
    """Every client that was made since."""
    found: list[Redis] = []
    make = Redis.__init__

    def noted(self: Any, *args: Any, **options: Any) -> None:
        found.append(self)
        make(self, *args, **options)

    monkeypatch.setattr(Redis, "__init__", noted)
    return found


def test_many_commands_need_one_client(made: list[Redis], settings: Any) -> None:
    settings.CACHES = conf.cache_settings("users")
    cache = caches["default"]

    cache.set("test:kept", [1, 2], 30)
    cache.set_many({"test:first": 1, "test:second": "two"}, 30)

    assert cache.get("test:kept") == [1, 2]
    assert cache.get_many(["test:first", "test:second"]) == {"test:first": 1, "test:second": "two"}
    cache.delete_many(["test:kept", "test:first", "test:second"])
    assert len(made) == 1

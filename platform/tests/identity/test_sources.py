"""Where an account has signed in from: bounded, with an end, and unreadable."""

import threading
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
import time_machine

from atoll import conf
from atoll.identity.sources import MAX_SOURCES, REMEMBERED_S, is_known, remember
from atoll.ids import uuid7

NOON = "2026-11-23T12:00:00Z"
ADA = "ada@example.com"


@pytest.fixture(autouse=True)
def store(settings: Any) -> redis.Redis:
    """A cache of the server for this test alone, by its prefix."""
    url = urlsplit(conf.redis_url())._replace(path="/9").geturl()
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": url}}
    settings.RATELIMIT_CACHE_PREFIX = f"test:{uuid7()}:"
    return redis.Redis.from_url(url)


def test_a_source_is_known_to_the_account_that_signed_in_from_it_and_to_no_other() -> None:
    remember("sign-in", ADA, "203.0.113.9")

    assert is_known("sign-in", ADA, "203.0.113.9")
    assert not is_known("sign-in", ADA, "203.0.113.10")
    assert not is_known("sign-in", "grace@example.com", "203.0.113.9")
    assert not is_known("change-password", ADA, "203.0.113.9")


def test_a_source_is_forgotten_ninety_days_after_its_last_use() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        remember("sign-in", ADA, "a")
        clock.shift(REMEMBERED_S / 2)
        remember("sign-in", ADA, "b")
        clock.shift(REMEMBERED_S / 2 - 1)
        assert (is_known("sign-in", ADA, "a"), is_known("sign-in", ADA, "b")) == (True, True)

        clock.shift(1)

        assert (is_known("sign-in", ADA, "a"), is_known("sign-in", ADA, "b")) == (False, True)


def test_the_longest_unused_makes_room_for_one_more() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        for number in range(MAX_SOURCES):
            remember("sign-in", ADA, str(number))
            clock.shift(1)
        remember("sign-in", ADA, "0")
        clock.shift(1)

        remember("sign-in", ADA, "new")

        known = {name for name in ["new", *map(str, range(MAX_SOURCES))] if is_known("sign-in", ADA, name)}
        assert known == {"new", *map(str, range(MAX_SOURCES))} - {"1"}


def test_sources_that_are_remembered_at_the_same_moment_are_all_kept() -> None:
    together = threading.Barrier(MAX_SOURCES)

    def sign_in(name: str) -> None:
        together.wait()
        remember("sign-in", ADA, name)

    threads = [threading.Thread(target=sign_in, args=(str(number),)) for number in range(MAX_SOURCES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(is_known("sign-in", ADA, str(number)) for number in range(MAX_SOURCES))


def test_nobody_reads_an_account_or_an_address_there_and_it_ends_by_itself(
    store: redis.Redis, settings: Any
) -> None:
    remember("sign-in", ADA, "203.0.113.9")

    keys: Any = list(store.scan_iter(f"*{settings.RATELIMIT_CACHE_PREFIX}*"))
    assert len(keys) == 1
    members: Any = store.zrange(keys[0], 0, -1)
    kept = b" ".join([*keys, *members])
    assert not any(part in kept for part in (b"ada", b"example", b"203.0", b"sign-in"))
    assert 0 < int(store.ttl(keys[0])) <= REMEMBERED_S  # type: ignore[arg-type]
    settings.SECRET_KEY = "another key, under which the same names have other digests"
    assert not is_known("sign-in", ADA, "203.0.113.9")

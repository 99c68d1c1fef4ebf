"""Fetching the key set from threads."""

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from atoll.errors import Unavailable
from atoll.identity.key_source import KeySource
from atoll.testing import tokens

KID = tokens.TEST_KEY_ID


def until(true: Callable[[], bool], within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def away() -> Any:
    raise Unavailable("user-service", "away")


def test_many_threads_that_need_the_first_set_cause_one_fetch() -> None:
    fetches: list[int] = []
    let_go = threading.Event()

    def fetch() -> Any:
        fetches.append(1)
        assert let_go.wait(5)
        return tokens.jwks()

    source = KeySource(fetch)
    found: list[bool] = []
    seekers = [threading.Thread(target=lambda: found.append(source.find(KID) is not None)) for _ in range(12)]
    for seeker in seekers:
        seeker.start()
    until(lambda: bool(fetches))
    let_go.set()
    for seeker in seekers:
        seeker.join(5)

    assert found == [True] * 12
    assert len(fetches) == 1


def test_without_any_set_a_token_is_neither_good_nor_bad() -> None:
    with pytest.raises(Unavailable):
        KeySource(away).find(KID)


@pytest.mark.parametrize("answer", [{}, {"keys": []}, "text", None])
def test_an_answer_that_is_no_key_set_counts_as_no_answer(answer: Any) -> None:
    with pytest.raises(Unavailable):
        KeySource(lambda: answer).find(KID)


def test_the_set_is_kept_on_disk_for_a_process_that_starts_while_users_is_away(tmp_path: Path) -> None:
    kept = tmp_path / "jwks.json"
    assert KeySource(tokens.jwks, keep=kept).find(KID) is not None

    asked = threading.Event()

    def fetch() -> Any:
        asked.set()
        return away()

    assert KeySource(fetch, keep=kept).find(KID) is not None
    assert asked.wait(5)
    assert json.loads(kept.read_text()) == tokens.jwks()
    assert list(tmp_path.iterdir()) == [kept]


@pytest.mark.parametrize("content", ["", "{", "null", '{"keys": []}'])
def test_a_kept_set_that_cannot_be_read_is_as_good_as_none(tmp_path: Path, content: str) -> None:
    kept = tmp_path / "jwks.json"
    kept.write_text(content)

    assert KeySource(tokens.jwks, keep=kept).find(KID) is not None


def test_a_disk_that_cannot_be_written_hinders_nobody(tmp_path: Path) -> None:
    assert KeySource(tokens.jwks, keep=tmp_path / "missing" / "jwks.json").find(KID) is not None

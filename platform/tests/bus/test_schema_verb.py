"""``manage.py asyncapi`` writes safe changes, and refuses unsafe ones with advice."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atoll.bus import upcast, upcasting
from atoll.bus.schemas import asyncapi, json_schema
from atoll.dev import command

from .schema_repository import Placed, Repository, Summed, WithNote

needs_git = pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    monkeypatch.setenv("ATOLL_ROOT", str(tmp_path))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "docs").mkdir()
    made = Repository(tmp_path)
    made.announces(Placed)
    held = dict(upcasting._upcasters)
    upcasting._upcasters.clear()
    yield made
    upcasting._upcasters.clear()
    upcasting._upcasters.update(held)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    def text() -> str:
        captured = capsys.readouterr()
        return captured.out + captured.err

    return text


def test_it_writes_the_document_and_finds_it_current(repository: Repository, said: Callable[[], str]) -> None:
    assert repository() == 0
    assert said() == "Wrote docs/asyncapi.json; compared with nothing, since there is no file.\n"
    assert repository.listed() == [(1, False)]
    assert (repository("--check"), repository()) == (0, 0)
    assert said().splitlines() == [
        "docs/asyncapi.json is current; compared with the file as it is.",
        "docs/asyncapi.json is current already; compared with the file as it is.",
    ]


def test_a_check_shows_the_difference_and_writes_nothing(
    repository: Repository, said: Callable[[], str]
) -> None:
    repository()
    before = repository.document.read_text()
    repository.announces(WithNote)
    assert repository("--check") == 1
    text = said()
    assert '+                "note": {' in text
    assert text.endswith(
        f"docs/asyncapi.json is not current: run `{command.manage('asyncapi')}` and commit it.\n"
    )
    assert repository.document.read_text() == before
    assert (repository(), repository("--check")) == (0, 0)


def test_a_breaking_change_is_refused_and_the_file_stays(
    repository: Repository, said: Callable[[], str]
) -> None:
    repository()
    before = repository.document.read_text()
    repository.announces(Summed)
    assert (repository(), repository("--check")) == (1, 1)
    assert "- order.placed version 1: `data.total` is gone." in said()
    assert repository.document.read_text() == before


def test_a_new_version_needs_readers_that_can_still_read_the_old_one(
    repository: Repository, said: Callable[[], str]
) -> None:
    repository.reads(Placed)
    repository()
    repository.announces(Summed, version=2)
    assert repository() == 1
    assert (
        "b-service reads order.placed version 2 in on_it as It: `data.total` is needed and is never sent"
        in said()
    )

    repository.reads(Summed, version=2)
    assert repository() == 1
    assert 'there is no `@upcast("order.placed", from_version=1)`' in said()

    upcast("order.placed", from_version=1)(wrongly_summed)
    assert repository() == 1
    assert "reads version 2; this is version 1: sum: cannot be read as int: 'one'" in said()
    assert repository.listed() == [(1, False)]

    upcasting._upcasters["order.placed", 1] = summed
    assert repository() == 0
    assert repository.listed() == [(1, True), (2, False)]
    assert repository("--check") == 0


def wrongly_summed(data: dict[str, Any]) -> dict[str, Any]:
    return {"sum": "one"}


def summed(data: dict[str, Any]) -> dict[str, Any]:
    return {"sum": data["total"]}


def test_a_superseded_version_is_dropped_on_request_and_not_before_it_is_superseded(
    repository: Repository, said: Callable[[], str]
) -> None:
    repository()
    repository.announces(Placed, version=2)
    assert repository("--drop", "order.placed@1") == 1
    assert "order.placed version 1 is missing beside version 2" in said()
    assert repository() == 0
    assert repository.listed() == [(1, True), (2, False)]
    assert (repository("--drop", "order.placed@1"), repository("--check")) == (0, 0)
    assert repository.listed() == [(2, False)]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("order.placd", "nobody announces that event. Did you mean order.placed?"),
        ("ordr.*", "no known event matches that pattern. Did you mean order.*?"),
        ("*.place", "no known event matches that pattern. Did you mean *.placed?"),
        ("ordr.#", "no known event matches that pattern. Did you mean order.#?"),
        ("zebra", "nobody announces that event. If a program outside of the platform"),
    ],
)
def test_a_name_that_nobody_announces_is_refused_with_the_nearest_known_one(
    repository: Repository, said: Callable[[], str], name: str, meant: str
) -> None:
    repository()
    before = repository.document.read_text()
    repository.reads(Placed, name=name)
    assert (repository(), repository("--check")) == (1, 1)
    assert f"- b-service reads {name} in on_it, and {meant}" in said()
    assert repository.document.read_text() == before


def test_dropping_a_version_that_is_not_listed_is_refused(
    repository: Repository, said: Callable[[], str]
) -> None:
    repository()
    assert repository("--drop", "order.place@1") == 1
    assert "--drop order.place@1: the document lists no such version. Did you mean order.placed@1?" in said()


@needs_git
def test_on_the_main_branch_the_last_two_commits_are_the_base(
    repository: Repository, said: Callable[[], str]
) -> None:
    repository.git("init", "-q", "-b", "main")
    repository()
    repository.commit()
    said()
    repository.document.write_text(
        asyncapi.to_json(
            asyncapi.document([], [replace(repository.announced[0], schema=json_schema.of_class(Summed))])
        )
    )
    repository.announces(Summed)
    assert repository("--check") == 1
    assert "compared with commit HEAD." in said()
    repository.commit()
    assert repository("--check") == 1
    text = said()
    assert "`data.total` is gone" in text
    assert "compared with commit HEAD, commit HEAD~1." in text


@needs_git
def test_on_a_branch_a_draft_may_change_until_it_is_merged(
    repository: Repository, said: Callable[[], str]
) -> None:
    repository.git("init", "-q", "-b", "main")
    repository.commit()
    repository.git("update-ref", "refs/remotes/origin/main", "HEAD")
    repository.git("checkout", "-qb", "draft")
    assert repository() == 0
    repository.commit()
    repository.announces(Summed)
    assert (repository(), repository("--check")) == (0, 0)
    repository.commit()
    repository.git("update-ref", "refs/remotes/origin/main", "HEAD")
    repository.announces(Placed)
    assert repository() == 1
    assert "`data.sum` is gone" in said()


@needs_git
def test_any_commit_can_be_the_base(repository: Repository, said: Callable[[], str]) -> None:
    repository.git("init", "-q", "-b", "main")
    repository()
    repository.commit()
    repository.git("tag", "v1")
    repository.announces(Placed, deprecated=True)
    repository()
    repository.commit()
    repository.commit()
    repository.announced = []
    assert repository("--base", "v1") == 1
    assert "is defined no more" in said()
    assert repository() == 0
    assert repository("--base", "v7", "--check") == 1
    assert said().endswith("v7 is no commit here.\n")


def test_a_file_that_is_no_document_is_reported(repository: Repository, said: Callable[[], str]) -> None:
    for written in (
        b"",
        b"[]",
        b'{"components": {"messages": {"a": {}}}}',
        b"\xff\xfe",
        "{}".encode("utf-16"),
    ):
        repository.document.write_bytes(written)
        assert repository() == 1
        assert "docs/asyncapi.json cannot be read back" in said()
        assert repository.document.read_bytes() == written

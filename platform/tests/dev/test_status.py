"""``status`` and ``down`` at every moment of a platform's life, whatever its record looks like."""

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atoll.cli import down, status


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def locked(home: Path) -> Iterator[Path]:
    """An ``up`` holds the home, and has written nothing yet."""
    descriptor = os.open(home / "up.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield home
    os.close(descriptor)


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    assert status.main(["--json"]) in (0, 1)
    return json.loads(capsys.readouterr().out)


def test_before_and_after_nothing_runs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys) == {"running": False}
    (home / "up.lock").touch()
    (home / "up.json").write_text("{}")
    assert told(capsys) == {"running": False}
    assert status.main([]) == 1


RECORDS = [
    None, "", "{", "{}", "[]", "[1]", "null", "7", '"x"', '{"processes": 7}', '{"processes": [7]}',
    '{"keeper": 7}', '{"pid": "x"}', '{"processes": [{}]}', '{"processes": null}', "\ufeff{}",
    '{"processes": [{"name": "a", "pid": 99999999999999999999}]}', '{"a":' * 100_000,
    '{"pid": -1, "keeper": {"pid": -1}, "processes": []}',
    '{"processes": [{"name": "\\u001b[2J", "state": {}, "pid": null, "port": []}], "address": "\\u001b[2J"}',
]  # fmt: skip


@pytest.mark.parametrize("record", RECORDS, ids=range(len(RECORDS)))
def test_whatever_is_written_while_it_starts_it_is_told_as_running(
    locked: Path, capsys: pytest.CaptureFixture[str], record: str | None
) -> None:
    if record is not None:
        (locked / "up.json").write_text(record)
    assert told(capsys)["running"] is True
    assert status.main([]) == 0
    assert all(line.isprintable() for line in capsys.readouterr().out.split("\n"))


def test_its_own_process_is_shown_with_its_memory(locked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"name": "orders", "kind": "web", "state": "ready", "pid": os.getpid(), "port": 8002, "restarts": 0}
    (locked / "up.json").write_text(json.dumps({"pid": 0, "processes": [row]}))
    [shown] = [one for one in told(capsys)["processes"] if one["name"] == "orders"]
    assert shown["pss_mb"] > 1
    assert shown["port"] == 8002


def test_what_only_starts_cannot_be_stopped_yet(locked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert down.main([]) == 1
    assert capsys.readouterr().err == "Atoll is only starting here and cannot be stopped yet: try again.\n"


def test_what_ended_meanwhile_is_told(locked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (locked / "up.json").write_text(json.dumps({"pid": 2**22 + 1}))
    assert down.main([]) == 0
    assert capsys.readouterr().out == "Nothing runs here any more.\n"


def test_anybody_who_may_read_may_look(locked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (locked / "up.lock").chmod(0o444)
    assert told(capsys)["running"] is True

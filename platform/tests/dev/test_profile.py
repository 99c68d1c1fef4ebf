"""``profile`` makes a flame graph of a process by the name that ``status`` shows."""

import fcntl
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree  # reads only the picture of the test
from collections.abc import Iterator
from pathlib import Path

import pytest

from atoll.cli import profile

BUSY = """
import sys, threading
def count_sheep():
    while True: sum(range(1000))
threading.Thread(target=count_sheep, daemon=True).start()
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose platform has the busy process ``orders-worker`` and the engine ``postgres``."""
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    descriptor = os.open(tmp_path / "up.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    process = subprocess.Popen([sys.executable, "-c", BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout
    process.stdout.readline()
    rows = [
        {"name": "orders-worker", "kind": "worker", "pid": process.pid},
        {"name": "postgres", "kind": "engine", "pid": process.pid},
        {"name": "users-worker", "kind": "worker", "pid": None},
    ]
    (tmp_path / "up.json").write_text(json.dumps({"pid": os.getpid(), "processes": rows}))
    yield tmp_path
    process.communicate()
    os.close(descriptor)


def test_the_flame_graph_shows_the_functions_of_the_process(running, capsys):
    assert profile.main(["orders", "worker", "--seconds", "1"]) == 0
    picture = running / "profile-orders-worker.svg"
    assert "count_sheep" in picture.read_text()
    ElementTree.parse(picture)  # noqa: S314
    assert "profile-orders-worker.svg: " in capsys.readouterr().out


def test_it_is_written_where_it_is_wanted(running, tmp_path):
    assert profile.main(["orders-worker", "--seconds", "1", "--out", str(tmp_path / "mine.svg")]) == 0
    assert (tmp_path / "mine.svg").exists()


@pytest.mark.parametrize("name", ["orders", "postgres", "users worker", "\x1b[2J"])
def test_an_unknown_process_an_engine_and_one_that_is_down_get_the_known_names(running, capsys, name):
    assert profile.main(name.split()) == 1
    told = capsys.readouterr().err
    assert told.endswith("runs here. There are: orders-worker, up.\n")
    assert "\x1b" not in told


def test_a_folder_that_is_not_there_is_told_before_the_recording(running, capsys):
    assert profile.main(["orders", "worker", "--out", "nowhere/a.svg"]) == 1
    told = capsys.readouterr()
    assert told.err == "nowhere/a.svg cannot be written: is its folder there, and yours?\n"
    assert told.out == ""


def test_a_folder_of_somebody_else_is_no_process_of_somebody_else(running, capsys, monkeypatch):
    monkeypatch.setattr(os, "access", lambda place, mode: place != running)
    assert profile.main(["orders", "worker", "--out", str(running / "a.svg")]) == 1
    told = capsys.readouterr()
    assert told.err == f"{running / 'a.svg'} cannot be written: is its folder there, and yours?\n"
    assert told.out == ""


def test_where_nothing_runs_it_says_how_to_start(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path))
    assert profile.main(["orders"]) == 1
    assert capsys.readouterr().err == "Nothing runs here. Start it with `make up`.\n"


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (
            "echo 'Permission Denied: Try running again'; exit 1",
            "where ptrace_scope is 0, and root always",
        ),
        (
            "echo 'Error: No stack counts found'; echo ' 0: main'; exit 1",
            "py-spy failed: Error: No stack counts found",
        ),
        ("exit 1", "py-spy failed: it said nothing"),
    ],
)
def test_a_failure_of_py_spy_is_told_in_one_line(running, monkeypatch, capsys, tmp_path, script, sentence):
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "py-spy").write_text(f"#!/bin/sh\n{script}\n")
    (programs / "py-spy").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(programs / "python"))
    assert profile.main(["orders", "worker"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert sentence in line


def test_without_py_spy_it_says_how_to_install_it(running, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert profile.main(["orders", "worker"]) == 1
    assert capsys.readouterr().err == "py-spy is not installed here: `make install` installs it.\n"

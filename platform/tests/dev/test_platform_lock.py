import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from atoll import conf
from atoll.cli import reset
from atoll.dev import platform_lock, ports
from atoll.dev.platform_lock import PlatformLock
from atoll.dev.process import Kind, Member, Spec
from atoll.dev.screen import PlainScreen
from atoll.dev.up import EXIT_BUSY, up


class Heard(PlainScreen):
    """A screen that remembers."""

    def __init__(self) -> None:
        self.text = ""

    def say(self, text: str, style: str = "") -> None:
        self.text += text + "\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def member(tmp_path: Path, pid: int) -> Member:
    spec = Spec(name="orders", kind=Kind.WEB, argv=(), port=9260, log=tmp_path / "orders.log")
    return Member(spec, pid=pid)


def test_a_second_start_in_the_same_place_is_refused_with_pid_and_address(home: Path):
    first = PlatformLock(home, "http://127.0.0.1:8000")
    first.write([], keeper=None)
    before = (home / "up.json").read_text()
    heard = Heard()

    assert asyncio.run(up(home, heard)) == EXIT_BUSY

    pid = first.record["pid"]
    assert heard.text.startswith(f"Atoll already runs here: process {pid}, since ")
    assert "at http://127.0.0.1:8000" in heard.text
    assert (home / "up.json").read_text() == before
    first.close()


def test_the_lock_is_free_again_when_its_holder_ended(home: Path):
    PlatformLock(home, "one").close()
    second = PlatformLock(home, "two")
    assert platform_lock.is_running(home)
    second.close()
    assert not platform_lock.is_running(home)


def test_what_runs_can_be_read_from_outside(home: Path, sleeper: subprocess.Popen[bytes]):
    held = PlatformLock(home, "http://127.0.0.1:8000")
    held.write([member(home, sleeper.pid)], keeper=None)
    assert platform_lock.read(home)["ready_at"] is None
    held.mark_ready()

    record = platform_lock.read(home)

    assert record["ready_at"] >= record["started_at"]
    [row] = record["processes"]
    assert (row["name"], row["pid"], row["port"]) == ("orders", sleeper.pid, 9260)
    held.close()


def test_processes_that_a_killed_supervisor_left_are_ended_at_the_next_start(
    home: Path, sleeper: subprocess.Popen[bytes]
):
    killed = PlatformLock(home, "killed")
    killed.write([member(home, sleeper.pid)], keeper=None)
    record = (home / "up.json").read_text()
    killed.close()
    (home / "up.json").write_text(record)  # a killed supervisor tidies nothing up

    healed = PlatformLock(home, "next")

    assert healed.clear_leftovers() == [sleeper.pid]
    assert sleeper.poll() is not None
    assert healed.leftovers() == []
    healed.close()


def test_a_process_id_that_now_belongs_to_another_program_is_left_alone(
    home: Path, sleeper: subprocess.Popen[bytes]
):
    home.mkdir()
    row = {"pid": sleeper.pid, "born": psutil.Process(sleeper.pid).create_time() - 60}
    (home / "up.json").write_text(json.dumps({"processes": [row]}))

    healed = PlatformLock(home, "next")

    assert healed.clear_leftovers() == []
    assert sleeper.poll() is None
    healed.close()


def test_a_busy_port_is_named_with_its_holder_and_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ATOLL_PORT_OFFSET", "1260")
    heard = Heard()
    with socket.create_server(("127.0.0.1", 9262)) as listener:
        assert listener.getsockname()[1] == conf.project("orders").port
        assert asyncio.run(up(home, heard)) == EXIT_BUSY

    assert heard.text.startswith(
        f"Port 9262, which orders needs, is taken by process {psutil.Process().pid} ("
    )
    assert "ATOLL_PORT_OFFSET=2260 make up" in heard.text
    assert not (home / "engines.json").exists()


def test_a_free_port_is_free():
    assert ports.is_free(ports.free())


def test_reset_deletes_nothing_while_the_platform_runs(home: Path, capsys: pytest.CaptureFixture[str]):
    running = PlatformLock(home, "http://127.0.0.1:8000")
    running.write([], keeper=None)
    (home / "postgres").mkdir()

    assert reset.main(["--yes"]) == 1

    assert (home / "postgres").is_dir()
    assert "Nothing was deleted" in capsys.readouterr().err
    running.close()


def test_reset_without_a_terminal_to_ask_in_deletes_nothing(home: Path, capsys: pytest.CaptureFixture[str]):
    (home / "postgres").mkdir(parents=True)

    assert reset.main([]) == 1

    assert (home / "postgres").is_dir()
    assert "Say --yes" in capsys.readouterr().err


def test_reset_deletes_data_logs_and_secrets_of_this_home_alone(home: Path, tmp_path: Path):
    for folder in ("postgres", "valkey", "logs"):
        (home / folder).mkdir(parents=True)
    (home / "secrets.json").write_text("{}")
    (tmp_path / "mine").write_text("stays")

    assert reset.main(["--yes"]) == 0

    assert [path.name for path in home.iterdir()] == ["up.lock"]
    assert (tmp_path / "mine").read_text() == "stays"

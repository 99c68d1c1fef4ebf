"""A level that an operator sets reaches every process of an instance, and ends."""

import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from atoll.discovery.answers import Heard
from atoll.server import lifecycle, log_level, worker_process
from atoll.server.registration import Registration

NAMES = ("atoll", "services.orders")


@pytest.fixture(autouse=True)
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "orders.state"
    monkeypatch.setenv(lifecycle.VARIABLE, str(path))
    yield path.with_name("orders.state.log-level")
    log_level.share("", 0, NAMES)


def levels() -> list[int]:
    return [logging.getLogger(name).level for name in NAMES]


def test_a_level_counts_for_our_own_lines_and_leaves_the_configured_one_behind():
    logging.getLogger("atoll").setLevel(logging.ERROR)
    root = logging.getLogger().level
    log_level.share("debug", 60, NAMES)
    assert levels() == [logging.DEBUG, logging.DEBUG]
    assert logging.getLogger().level == root
    log_level.share("warning", 60, NAMES)
    assert levels() == [logging.WARNING, logging.WARNING]
    log_level.share("", 0, NAMES)
    assert levels() == [logging.ERROR, logging.NOTSET]
    logging.getLogger("atoll").setLevel(logging.NOTSET)


def test_it_ends_in_time_without_anybodys_word(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(log_level.time, "time", lambda: now[0])
    log_level.share("debug", 60, NAMES)
    now[0] += 59
    log_level.follow()
    assert levels() == [logging.DEBUG, logging.DEBUG]
    now[0] += 1
    log_level.follow()
    assert levels() == [logging.NOTSET, logging.NOTSET]


def test_it_ends_in_time_in_a_process_that_shares_no_file(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(log_level.time, "time", lambda: now[0])
    monkeypatch.delenv(lifecycle.VARIABLE)
    log_level.share("debug", 60, NAMES)
    log_level.follow()
    assert levels() == [logging.DEBUG, logging.DEBUG]
    now[0] += 60
    log_level.follow()
    assert levels() == [logging.NOTSET, logging.NOTSET]


PROCESS = """
import logging, sys
from atoll.server import log_level
for _ in sys.stdin:
    log_level.follow()
    print(logging.getLogger("services.orders").level, flush=True)
"""


def test_other_processes_of_the_instance_take_it_over(shared):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", PROCESS], **pipes, text=True, env=environment) as other:

        def seen() -> int:
            other.stdin.write("look\n")
            other.stdin.flush()
            return int(other.stdout.readline())

        assert seen() == logging.NOTSET
        log_level.share("debug", 60, NAMES)
        assert seen() == logging.DEBUG
        log_level.share("", 0, NAMES)
        assert seen() == logging.NOTSET
        assert not shared.exists()
        other.stdin.close()


def test_a_forked_worker_follows_until_its_parent_ends(monkeypatch):
    looked, ended = threading.Event(), []
    monkeypatch.setattr(log_level, "FOLLOW_EVERY_S", 0.01)
    monkeypatch.setattr(log_level, "follow", looked.set)
    monkeypatch.setattr(worker_process.os, "_exit", ended.append)
    reading, writing = os.pipe()
    worker = threading.Thread(target=worker_process._follow, args=(reading,))
    worker.start()
    assert looked.wait(30)
    assert ended == []
    os.close(writing)
    worker.join(30)
    assert ended == [1]
    os.close(reading)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"until": "x", "level": 1, "loggers": []}', "\xff"])
def test_a_file_that_is_broken_changes_nothing(shared, text):
    shared.write_text(text, encoding="latin-1")
    log_level.follow()
    assert levels() == [logging.NOTSET, logging.NOTSET]


@pytest.mark.parametrize(
    ("told", "heard"),
    [
        ({"status": "ok"}, Heard("ok")),
        (
            {"status": "draining", "logLevel": {"level": "debug", "forS": 8.5}},
            Heard("draining", "debug", 8.5),
        ),
        ({"status": "ok", "logLevel": {"level": "debug"}}, Heard("ok")),
        ({"status": "ok", "logLevel": "debug"}, Heard("ok")),
        ([], Heard("ok")),
    ],
)
def test_the_answer_to_a_heartbeat_is_read_with_care(told, heard):
    assert Heard.read(told) == heard


class Registry:
    heard = Heard("ok")

    def register(self, *_):
        pass

    def heartbeat(self, *_):
        return self.heard


@pytest.mark.parametrize(("level", "left_s"), [("loud", 60.0), ("debug", 0.0), ("debug", -1.0), ("", 60.0)])
def test_a_level_that_is_none_changes_nothing(level, left_s):
    registry = Registry()
    registration = Registration("orders", "127.0.0.1", 8002, {}, registry=registry)
    registration.step()
    registry.heard = Heard("ok", level, left_s)
    registration.step()
    assert levels() == [logging.NOTSET, logging.NOTSET]


def test_an_instance_learns_the_level_from_its_heartbeats_and_tells_its_log(caplog):
    registry = Registry()
    registration = Registration("orders", "127.0.0.1", 8002, {}, registry=registry)
    registration.step()
    registry.heard = Heard("ok", "debug", 60.0)
    registration.step()
    registration.step()
    assert levels() == [logging.DEBUG, logging.DEBUG]
    registry.heard = Heard("ok")
    registration.step()
    assert levels() == [logging.NOTSET, logging.NOTSET]
    told = [record.getMessage() for record in caplog.records if "log_level" in record.getMessage()]
    assert told == ["log_level: debug for 60 s", "log_level: as configured"]

"""The checks of `doctor`, each with its remedy."""

import json
import socket
from collections import namedtuple
from importlib import metadata
from pathlib import Path

import pytest

from atoll import conf
from atoll.cli import doctor as verb
from atoll.dev import doctor
from atoll.dev.doctor import Finding, Verdict

Usage = namedtuple("Usage", "total used free")
MATRIX = conf.root() / "requirements" / "matrix"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path))
    return tmp_path


def test_the_packages_of_this_test_are_at_their_pins():
    pins = doctor.pins(conf.root() / "requirements")
    assert len(pins) > 30
    # `make test-matrix` puts other versions of a few packages in the place of the pinned ones.
    replaced = {name for file in MATRIX.glob("*.txt") for name in doctor.pins_of(file)}
    assert {name for name, pin in pins.items() if metadata.version(name) != pin} <= replaced
    has_pinned = all(metadata.version(name) == pins[name] for name in replaced & pins.keys())
    assert doctor._packages().verdict == (Verdict.GOOD if has_pinned else Verdict.WARNING)


@pytest.mark.parametrize(
    ("line", "verdict", "words"),
    [
        ("no-such-package-of-ours==1.0  # why", Verdict.BAD, "missing: no-such-package-of-ours"),
        ("Django==0.96", Verdict.WARNING, "instead of 0.96"),
        ("# Django==0.96", Verdict.GOOD, "0, all"),
    ],
)
def test_packages_are_compared_with_their_pins(tmp_path, monkeypatch, line, verdict, words):
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "base.txt").write_text(f"{line}\n")
    monkeypatch.setattr(conf, "root", lambda: tmp_path)
    found = doctor._packages()
    assert found.verdict == verdict
    assert words in found.text
    assert bool(found.remedy) == (verdict != Verdict.GOOD)


@pytest.mark.parametrize(
    ("free", "verdict"), [(5e9, Verdict.GOOD), (1e9, Verdict.WARNING), (5e7, Verdict.BAD)]
)
def test_the_disk(home, monkeypatch, free, verdict):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder: Usage(1e11, 1e11 - free, free))
    assert doctor._disk(home / "not" / "yet").verdict == verdict


@pytest.mark.parametrize(("hard", "verdict"), [(1024, Verdict.WARNING), (1 << 20, Verdict.GOOD)])
def test_open_files(monkeypatch, hard, verdict):
    monkeypatch.setattr(doctor.resource, "getrlimit", lambda kind: (256, hard))
    assert doctor._open_files().verdict == verdict


@pytest.mark.parametrize(
    ("version", "verdict"),
    [((3, 10, 9), Verdict.BAD), ((3, 11, 2), Verdict.GOOD), ((3, 99, 0), Verdict.WARNING)],
)
def test_the_version_of_python(monkeypatch, version, verdict):
    monkeypatch.setattr(doctor.sys, "version_info", version)
    assert doctor._python().verdict == verdict


def test_a_taken_port_is_named_with_its_holder_before_a_start(home, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wanted = conf.Project(**{**vars_of(conf.project("orders")), "port": port})
        monkeypatch.setattr(conf, "projects", lambda: {"orders": wanted})
        [found] = doctor._ports(home, runs=False)
    assert (found.subject, found.verdict) == (f"port {port}", Verdict.BAD)
    assert "orders needs it" in found.text
    assert "ATOLL_PORT_OFFSET" in found.remedy


def vars_of(project):
    return {name: getattr(project, name) for name in project.__dataclass_fields__}


def test_a_server_that_a_variable_names_must_answer(home, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    monkeypatch.setenv("DATABASE_URL", f"postgres://atoll:hunter2@127.0.0.1:{port}")
    monkeypatch.setenv("REDIS_URL", f"redis://:hunter2@127.0.0.1:{port}/0")
    monkeypatch.setenv("RABBITMQ_URL", f"amqp://atoll:hunter2@127.0.0.1:{port}//")
    found = list(doctor._engines(runs=False))
    assert [one.subject for one in found] == ["PostgreSQL", "cache", "broker"]
    for one, variable in zip(found, ("DATABASE_URL", "REDIS_URL", "RABBITMQ_URL"), strict=True):
        assert one.verdict == Verdict.BAD
        assert variable in one.remedy
        assert "hunter2" not in f"{one.text} {one.remedy}"


def test_a_missing_setting_is_told_in_the_words_of_the_project(home, monkeypatch):
    for name in ("DATABASE_URL", "ORDERS_SECRET_KEY", "SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)
    found = doctor._settings_of(conf.project("orders"))
    assert found.verdict == Verdict.BAD
    assert "is not set" in found.text
    assert "orders check" in found.remedy


def test_before_the_first_start_settings_are_no_fault(home, monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    [found] = doctor._settings(runs=False)
    assert found.verdict == Verdict.GOOD


@pytest.mark.parametrize(("verdict", "code"), [(Verdict.GOOD, 0), (Verdict.WARNING, 0), (Verdict.BAD, 1)])
def test_the_exit_code_tells_scripts_whether_something_is_bad(monkeypatch, capsys, verdict, code):
    monkeypatch.setattr(doctor, "examine", lambda: iter([Finding("disk", verdict, "1 GB", "Make room.")]))
    assert verb.main([]) == code
    assert "Make room." in capsys.readouterr().out
    assert verb.main(["--json"]) == code
    assert json.loads(capsys.readouterr().out) == {
        "subject": "disk", "verdict": verdict, "text": "1 GB", "remedy": "Make room.",
    }  # fmt: skip

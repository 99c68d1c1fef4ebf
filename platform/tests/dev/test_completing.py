"""Completion of the command line in a shell."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from atoll import conf
from atoll.cli import completion
from atoll.cli.completion.candidates import candidates

SHELLS = [name for name in completion.SCRIPTS if shutil.which(name)]


@pytest.fixture(autouse=True)
def logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path))
    (tmp_path / "logs").mkdir()
    for name in ("orders.log", "orders-worker.log"):
        (tmp_path / "logs" / name).touch()


def test_first_come_verbs_and_projects():
    found = candidates([])
    assert {"up", "logs", "doctor", "open", "new-service", "demo", *conf.projects()} <= set(found)
    assert found == sorted(found)


def test_a_project_is_followed_by_its_django_commands():
    assert {"migrate", "shell", "serve", "worker", "create_admin"} <= set(candidates(["users"]))
    assert "create_admin" not in candidates(["orders"])
    assert candidates(["users", "migrate"]) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["logs"], {"orders", "orders-worker", "--level", "--correlation", "--follow", "--help"}),
        (["logs", "orders"], {"orders-worker"}),
        (["restart"], {"orders", "orders-worker"}),
        (["log-level"], {"orders", "orders-worker"}),
        (["open"], {"console", "users", "--print"}),
        (["call", "orders"], {"GET", "POST"}),
        (["test"], {"orders", "--help"}),
        (["completion"], {"bash", "zsh", "fish"}),
        (["new-service"], {"--help"}),
        (["load"], {"orders", "--per-s", "--report", "--help"}),
        (["load", "orders"], {"--per-s", "--minutes"}),
        (["demo"], {"--failing", "--help"}),
    ],
)
def test_a_verb_is_followed_by_what_it_takes(given, expected):
    assert expected <= set(candidates(given))


@pytest.mark.parametrize("given", [["nowhere"], ["../x"], [""], ["up", "--what"]])
def test_words_that_mean_nothing_break_nothing(given):
    assert isinstance(candidates(given), list)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_read_by_its_shell(shell):
    script = completion.SCRIPTS[shell]
    done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("line", ["python manage.py log", "./manage.py log"])
def test_bash_completes_verbs(line):
    """As readline calls it: with the words of the line and the place of the cursor."""
    words = line.split()
    quoted = " ".join(f"'{word}'" for word in words)
    script = (
        f'python() {{ {sys.executable} "$@"; }}\n{completion.BASH}\n'
        f'COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _atoll_manage; echo "${{COMPREPLY[@]}}"'
    )
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"}
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, cwd=conf.root(), env=environment
    )
    assert (done.stdout, done.stderr) == ("log-level logs\n", "")

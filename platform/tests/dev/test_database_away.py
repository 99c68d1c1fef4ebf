"""A command of a project whose database is not there."""

import os
import subprocess
import sys

from atoll import conf


def migrate(*more: str) -> subprocess.CompletedProcess[str]:
    away = {"USERS_DATABASE_URL": "postgres://nobody:nothing@127.0.0.1:1/nothing"}
    return subprocess.run(
        [sys.executable, str(conf.root() / "manage.py"), "users", "migrate", *more],
        env=os.environ | away,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_is_told_in_two_lines_with_what_to_do():
    done = migrate()
    assert done.returncode == 1
    first, second = done.stderr.splitlines()[-2:]
    assert first.startswith("The database of users cannot be reached: connection to server at")
    assert second == "Start the platform with `make up`, or look at DATABASE_URL."
    assert "Traceback" not in done.stderr


def test_who_wants_the_traceback_gets_it():
    done = migrate("--traceback")
    assert done.returncode == 1
    assert "Traceback" in done.stderr

"""A command of a project that lacks something: its database, its settings."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from atoll import conf

AWAY = {"USERS_DATABASE_URL": "postgres://nobody:nothing@127.0.0.1:1/nothing"}


def migrate(*more: str, variables: Mapping[str, str] = AWAY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(conf.root() / "manage.py"), "users", "migrate", *more],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_database_that_is_away_is_told_in_two_lines_with_what_to_do():
    done = migrate()
    assert done.returncode == 1
    first, second = done.stderr.splitlines()[-2:]
    assert first.startswith("The database of users cannot be reached: ")
    assert "connection to server at" in first
    assert second == "Start the platform with `make up`, or look at DATABASE_URL."
    assert "Traceback" not in done.stderr


def test_who_wants_the_traceback_gets_it():
    done = migrate("--traceback")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_before_anything_was_set_up_it_is_said_what_is_missing(tmp_path: Path):
    bare = {"ATOLL_HOME": str(tmp_path), "USERS_SECRET_KEY": "", "SECRET_KEY": "", "ATOLL_ENV": ""}
    done = migrate(variables=AWAY | bare)
    assert done.returncode == 1
    [said] = done.stderr.splitlines()
    assert said.startswith("users is not configured: USERS_SECRET_KEY is not set.")
    assert "make up" in said

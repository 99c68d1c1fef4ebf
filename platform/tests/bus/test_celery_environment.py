"""Environment variables that override Celery's configuration stop every start, by their names."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from atoll.bus import checks
from atoll.bus.broker import transports
from atoll.bus.worker import celery_environment
from atoll.server import starting

from .worker import BUS, CELERY, PROJECTS, WORKER, environment

BROKERS = ["CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_BROKER_WRITE_URL", "CELERY_BROKER"]
OTHERS = [
    ("CELERY_LOADER", "default"),
    ("CELERY_RESULT_BACKEND", "redis://cache.example/1"),
    ("CELERY_CONFIG_MODULE", "celeryconfig"),
    ("CELERY_CONFIG", "celeryconfig"),
    ("CELERY_WORKER_QUEUES", "celery"),
    ("CELERY_WORKER_EXCLUDE_QUEUES", "work.library-service"),
    ("CELERY_WORKER_PREFETCH_MULTIPLIER", "10"),
    ("CELERY_WORKER_TIME_LIMIT", "5"),
    ("CELERY_WORKER_SOFT_TIME_LIMIT", "5"),
    ("REMAP_SIGTERM", "SIGQUIT"),
]
ELSEWHERE = "amqp://guest:s3cret@elsewhere.example//"
SERVE = (sys.executable, "-m", "django", "serve", "--port", "0")


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "value"), [*((name, ELSEWHERE) for name in BROKERS), *OTHERS])
def test_each_is_refused_by_name_and_without_its_value(
    rabbitmq: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    celery_environment.refuse()
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured) as refusal:
        starting.refuse_start()
    (sentence,) = str(refusal.value).splitlines()[1:]
    assert sentence.startswith(f"{name} ")
    assert "emove it" in sentence
    assert "s3cret" not in sentence
    (found,) = checks.check_celery()
    assert name in found.msg


@pytest.mark.parametrize("name", BROKERS)
def test_our_own_broker_under_celerys_name_is_no_other(
    broker: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, transports.current().url)
    celery_environment.refuse()
    monkeypatch.setenv(name, "")
    celery_environment.refuse()


def test_they_are_all_told_at_once(rabbitmq: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BROKERS:
        monkeypatch.setenv(name, ELSEWHERE)
    with pytest.raises(ImproperlyConfigured) as refusal:
        celery_environment.refuse()
    assert len(str(refusal.value).splitlines()) == 1 + len(BROKERS)


def run(folder: Path, command: tuple[str, ...], **variables: str) -> "subprocess.CompletedProcess[str]":
    (folder / "projects.toml").write_text(PROJECTS)
    return subprocess.run(
        command,
        env=os.environ | environment(folder, folder / "lifecycle") | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("command", "variables"),
    [
        pytest.param(WORKER, {"CELERY_BROKER_URL": ELSEWHERE}, id="worker"),
        pytest.param(BUS, {"CELERY_BROKER_URL": ELSEWHERE}, id="bus"),
        pytest.param(SERVE, {"CELERY_BROKER_URL": ELSEWHERE}, id="serve"),
        pytest.param((*CELERY[:-1], "inspect", "ping"), {"CELERY_BROKER_URL": ELSEWHERE}, id="inspect"),
        pytest.param((*CELERY[:-1], "-b", ELSEWHERE, "worker"), {}, id="celery -b"),
    ],
)
def test_no_process_starts_and_what_to_do_is_said_in_a_line(
    rabbitmq: str, tmp_path: Path, command: tuple[str, ...], variables: dict[str, str]
) -> None:
    done = run(tmp_path, command, **variables)
    assert done.returncode == 1
    assert "CELERY_BROKER_URL names another broker than RABBITMQ_URL" in done.stdout + done.stderr
    assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--exclude-queues", "work", "--queues and --exclude-queues must leave the queue"),
        ("--prefetch-multiplier", "8", "--prefetch-multiplier must be 1"),
        ("--soft-time-limit", "5", "--time-limit and --soft-time-limit must not be given"),
    ],
)
def test_options_of_celery_that_do_the_same_are_refused(
    rabbitmq: str, tmp_path: Path, option: str, value: str, sentence: str
) -> None:
    done = run(
        tmp_path, (*CELERY, option, transports.current().names.work_queue.name if value == "work" else value)
    )
    assert done.returncode == 1
    assert sentence in done.stderr

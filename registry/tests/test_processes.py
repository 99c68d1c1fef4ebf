"""Restart, stop and start of a process from the console, on a developer's machine alone."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from django.test import Client

from atoll.dev.platform_lock import PlatformLock
from atoll.testing.rights import member
from registry.console.processes.views import address
from registry.models import JournalEntry
from registry.usecases import steer_process

pytestmark = pytest.mark.django_db

PAGE = "/console/processes"
IDLE = "import time; time.sleep(600)"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path))
    monkeypatch.setenv("ATOLL_ENV", "development")
    return tmp_path


@pytest.fixture
def worker(home: Path):
    """A process that stands for orders-worker in the record of a platform that runs."""
    with subprocess.Popen([sys.executable, "-c", IDLE]) as process:
        lock = PlatformLock(home, "http://127.0.0.1:9100")
        born = psutil.Process(process.pid).create_time()
        lock.record["processes"] = [
            {"name": "registry", "kind": "web", "state": "ready", "port": 9105, "restarts": 0, "pid": None},
            {
                "name": "orders-worker", "kind": "worker", "state": "ready", "port": None, "restarts": 2,
                "pid": process.pid, "born": born,
            },
            {"name": "postgres", "kind": "engine", "state": "ready", "port": 9110, "pid": process.pid},
        ]  # fmt: skip
        lock._save()
        yield process
        lock.close()
        process.kill()


def signed_in(client: Client, role: str) -> Client:
    client.force_login(member(role), backend="atoll.identity.backends.AccountBackend")
    return client


@pytest.fixture
def chief(client: Client) -> Client:
    return signed_in(client, "admin")


def kinds() -> list[tuple[str, str, str]]:
    rows = JournalEntry.objects.filter(kind__startswith="process_").order_by("id")
    return [(row.kind, row.service, row.details["process"]) for row in rows]


def test_the_page_lists_processes_and_no_engine(chief, worker):
    page = chief.get(PAGE).content.decode()
    assert "orders-worker" in page
    assert "postgres" not in page
    assert 'href="/console/processes"' in chief.get("/console/").content.decode()


def test_the_question_says_what_waits_and_changes_nothing(chief, worker, put):
    put("orders-worker-0a1b2c", service="order-service.worker", port=0)
    page = chief.get(PAGE, {"name": "orders-worker"}).content.decode()
    assert "Meanwhile messages wait; none is lost." in page
    assert "order-service.worker: other workers that run: 0." in page
    assert worker.poll() is None
    assert kinds() == []


def test_a_restart_ends_the_process_and_the_journal_keeps_who_did_it(chief, worker, home):
    answer = chief.post(PAGE, {"name": "orders-worker", "act": "restart"})
    assert answer.status_code == 200
    assert worker.wait(timeout=30) != 0
    assert kinds() == [("process_restarted", "order-service.worker", "orders-worker")]
    assert JournalEntry.objects.get(kind="process_restarted").actor.startswith("staff:")
    assert not steer_process.processes()["orders-worker"]["is_stopped"]


def test_a_stopped_process_stays_stopped_until_it_is_started(chief, worker, home):
    chief.post(PAGE, {"name": "orders-worker", "act": "stop"})
    assert worker.wait(timeout=30) != 0
    assert steer_process.processes()["orders-worker"]["is_stopped"]
    assert "Start orders-worker" in chief.get(PAGE, {"name": "orders-worker"}).content.decode()
    chief.post(PAGE, {"name": "orders-worker", "act": "start"})
    assert not steer_process.processes()["orders-worker"]["is_stopped"]
    assert [kind for kind, *_ in kinds()] == ["process_stopped", "process_started"]


def test_a_process_that_has_ended_already_is_said_so_and_not_kept(chief, worker, home):
    worker.kill()
    worker.wait()
    for act in ("restart", "stop"):
        answer = chief.post(PAGE, {"name": "orders-worker", "act": act})
        assert answer.status_code == 400
        assert "is not running at this moment" in answer.content.decode()
    assert kinds() == []
    assert not steer_process.processes()["orders-worker"]["is_stopped"]


@pytest.mark.parametrize("role", ["operator", "support", "catalogue"])
def test_others_than_administrators_only_look(client, worker, role):
    signed_in(client, role)
    for act in ("restart", "stop", "start"):
        assert client.post(PAGE, {"name": "orders-worker", "act": act}).status_code == 403
    page = client.get(PAGE, {"name": "orders-worker"})
    assert page.status_code == 200
    assert 'name="act"' not in page.content.decode()
    assert worker.poll() is None
    assert kinds() == []


@pytest.mark.parametrize(
    "given",
    [
        {"name": "postgres", "act": "restart"},
        {"name": "../../etc/passwd", "act": "stop"},
        {"name": "", "act": "restart"},
        {"name": "orders-worker", "act": "kill"},
        {"name": "orders-worker"},
        {"name": "registry", "act": "stop"},
    ],
)
def test_a_wrong_act_is_refused_in_words(chief, worker, home, given):
    assert chief.post(PAGE, given).status_code == 400
    assert worker.poll() is None
    assert not list(home.rglob("*.stopped"))
    assert kinds() == []


def test_without_a_supervisor_there_is_nothing_to_steer(chief, home):
    assert "No supervisor runs here." in chief.get(PAGE).content.decode()
    assert chief.post(PAGE, {"name": "orders", "act": "restart"}).status_code == 400
    assert 'href="/console/processes"' not in chief.get("/console/").content.decode()


def test_production_has_no_processes_to_steer(chief, worker, monkeypatch):
    monkeypatch.setenv("ATOLL_ENV", "production")
    assert chief.post(PAGE, {"name": "orders-worker", "act": "restart"}).status_code == 400
    assert worker.poll() is None


def test_the_board_leads_from_an_instance_to_its_process():
    assert address("orders-worker-0a1b2c", {"orders-worker"}) == "/console/processes?name=orders-worker"
    for other in ("orders-worker", "orders-0a1b2c", "orders-worker-0a1b2", "", "-0a1b2c"):
        assert address(other, {"orders-worker"}) == ""


def test_a_record_that_is_broken_shows_nothing(chief, worker, home):
    (home / "up.json").write_text(json.dumps({"processes": [{"kind": "web"}]}))
    assert "No supervisor runs here." in chief.get(PAGE).content.decode()

"""`open`, `restart`, `call` without a platform: what they say, and what they do."""

import json
import os
import subprocess
import sys
import time
import webbrowser
from pathlib import Path

import psutil
import pytest

from atoll import conf
from atoll.cli import call, restart
from atoll.cli import open as opening
from atoll.dev.platform_lock import PlatformLock

IDLE = "import time; time.sleep(600)"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ATOLL_HOME", str(tmp_path))
    for name in ("REGISTRY_URL", "CONSOLE_URL", "ORDERS_ADMIN_URL"):
        monkeypatch.delenv(name, raising=False)
    for project in conf.projects().values():
        monkeypatch.delenv(f"{project.service.upper().replace('-', '_')}_URL", raising=False)
    return tmp_path


@pytest.fixture
def running(home: Path):
    """The lock and the record of a platform, without its processes."""
    lock = PlatformLock(home, "http://127.0.0.1:9100")
    rows = [
        {"name": name, "kind": "web", "state": "ready", "port": port, "pid": None, "born": None}
        for name, port in (("gateway", 9100), ("orders", 9102))
    ]
    lock.record["processes"] = rows
    lock._save()
    yield lock
    lock.close()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: bool(found.append(url)) or True)
    return found


class TestCall:
    def test_before_the_first_start_it_names_the_command_that_starts(self, home, capsys):
        assert call.main(["orders", "GET", "/orders"]) == 1
        said = capsys.readouterr().err
        assert "The platform is down" in said
        assert "manage.py up" in said
        assert "Traceback" not in said

    def test_a_stopped_platform_is_not_blamed_on_a_service(self, home, capsys):
        PlatformLock(home, "http://127.0.0.1:9100").close()
        assert call.main(["orders", "GET", "/orders"]) == 1
        said = capsys.readouterr().err
        assert "The platform is down" in said
        assert "order-service" not in said

    def test_a_platform_elsewhere_is_called(self, home, monkeypatch, capsys):
        monkeypatch.setenv("REGISTRY_URL", "http://127.0.0.1:9")
        assert call._nobody_to_call() == ""


class TestOpen:
    def test_the_console_of_the_platform_that_runs_here(self, running, opened, capsys):
        assert opening.main([]) == 0
        assert opened == ["http://127.0.0.1:9100/console/"]
        assert capsys.readouterr().out == "http://127.0.0.1:9100/console/\n"

    def test_the_admin_of_a_project(self, running, opened, capsys):
        assert opening.main(["orders"]) == 0
        assert opened == ["http://127.0.0.1:9102/admin/"]

    def test_a_configured_address_needs_no_platform_here(self, home, opened, monkeypatch):
        monkeypatch.setenv("ORDERS_ADMIN_URL", "https://orders.example/admin")
        assert opening.main(["orders"]) == 0
        assert opened == ["https://orders.example/admin/"]

    def test_without_a_browser_the_address_is_printed(self, running, monkeypatch, capsys):
        monkeypatch.setattr(webbrowser, "open", lambda url: False)
        assert opening.main(["orders"]) == 0
        said = capsys.readouterr()
        assert said.out == "http://127.0.0.1:9102/admin/\n"
        assert "open the address yourself" in said.err

    def test_print_opens_nothing(self, running, opened, capsys):
        assert opening.main(["orders", "--print"]) == 0
        assert opened == []

    def test_a_platform_that_is_down_is_said_so(self, home, opened, capsys):
        assert opening.main(["orders"]) == 1
        assert "The platform is down" in capsys.readouterr().err
        assert opened == []

    def test_an_unknown_name_is_refused_with_the_known_ones(self, home, capsys):
        with pytest.raises(SystemExit) as end:
            opening.main(["shipping"])
        assert end.value.code == 2
        assert "orders" in capsys.readouterr().err


class TestRestart:
    def test_a_platform_that_is_down_is_said_so(self, home, capsys):
        assert restart.main(["orders"]) == 1
        assert "The platform is down" in capsys.readouterr().err

    def test_an_unknown_process_is_answered_with_the_known_ones(self, running, capsys):
        assert restart.main(["postgres"]) == 2
        assert "There are: gateway, orders." in capsys.readouterr().err

    def test_a_stopped_process_starts(self, running, home, monkeypatch):
        (home / "run").mkdir()
        mark = home / "run" / "orders.stopped"
        mark.touch()

        def supervise(seconds: float) -> None:
            assert not mark.exists()
            running.record["processes"][1].update(pid=os.getpid(), state="ready")
            running._save()

        running.record["processes"][1]["state"] = "stopped"
        running._save()
        monkeypatch.setattr(restart.time, "sleep", supervise)
        assert restart.main(["orders"]) == 0

    def test_a_process_of_another_birth_is_left_alone(self, running, capsys):
        with subprocess.Popen([sys.executable, "-c", IDLE]) as other:
            running.record["processes"][1] |= {"pid": other.pid, "born": 1.0}
            running._save()
            assert restart.main(["orders"]) == 1
            assert other.poll() is None
            other.kill()

    def test_the_process_ends_and_the_command_waits_for_the_next_one(self, running, capsys, monkeypatch):
        row = running.record["processes"][1]
        with subprocess.Popen([sys.executable, "-c", IDLE]) as old:
            row |= {"pid": old.pid, "born": psutil.Process(old.pid).create_time()}
            running._save()
            waited: list[float] = []

            def supervise(seconds: float) -> None:
                """Stands for the supervisor: a new process is starting, then ready."""
                waited.append(seconds)
                row.update(pid=os.getpid(), state="starting" if len(waited) == 1 else "ready")
                running._save()

            monkeypatch.setattr(time, "sleep", supervise)
            assert restart.main(["orders"]) == 0
            assert not psutil.pid_exists(old.pid)
        assert len(waited) == 2
        assert "orders is ready again" in capsys.readouterr().out

    def test_the_record_is_read_as_it_is_written(self, running):
        assert json.loads((running.home / "up.json").read_text())["processes"][1]["name"] == "orders"

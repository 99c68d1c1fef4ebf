"""The end of a platform: in order, in time, and with no process left."""

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from atoll.dev import ending
from atoll.dev import supervisor as supervisor_module
from atoll.dev.process import Kind, State
from atoll.dev.supervisor import Supervisor

from .scenario import DEADLINE_S, Build, lines, run


def test_stopping_asks_the_edge_first_and_the_engines_last(service: Build, tmp_path: Path) -> None:
    specs = [
        service("postgres", kind=Kind.ENGINE),
        service("registry", stop_stage=2),
        service("users", stop_stage=1),
        service("gateway", stop_stage=0),
    ]

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.ready()

    run(scenario, Supervisor(specs))

    assert lines(tmp_path / "stopped") == ["gateway", "users", "registry", "postgres"]


def test_the_times_of_stopping_make_ten_seconds() -> None:
    services_gone_s = supervisor_module.KILL_AFTER_S + supervisor_module.KILLED_IS_GONE_WITHIN_S
    assert (0, *supervisor_module.STOP_STAGES_S) < (*supervisor_module.STOP_STAGES_S, 8.0)
    assert services_gone_s < supervisor_module.ENGINES_STOPPED_AFTER_S < 10


def test_a_process_that_ignores_the_request_is_killed_when_its_time_is_up(
    service: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the supervisor, which is told of its end; the keeper would kill it too, unheard, after 8 s."""
    monkeypatch.setattr(supervisor_module, "STOP_STAGES_S", (0.1, 0.2, 0.3))
    monkeypatch.setattr(supervisor_module, "KILL_AFTER_S", 0.5)
    monkeypatch.setattr(supervisor_module, "KILLED_IS_GONE_WITHIN_S", DEADLINE_S)
    monkeypatch.setattr(supervisor_module, "ENGINES_STOPPED_AFTER_S", DEADLINE_S)

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.ready()

    supervisor = Supervisor([service("users", stubborn=True)])
    began = time.monotonic()
    run(scenario, supervisor)

    assert time.monotonic() - began >= 0.5
    assert supervisor._exited["users"].result() == -signal.SIGKILL
    assert supervisor.members["users"].state == State.STOPPED


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent ended")
def test_nothing_is_left_when_the_keeper_itself_is_killed(service: Build, tmp_path: Path) -> None:
    started: list[psutil.Process] = []

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.ready()
        started.extend(psutil.Process(member.pid) for member in supervisor.members.values())
        assert supervisor.keeper is not None
        supervisor.keeper.kill()
        async with asyncio.timeout(DEADLINE_S):
            await supervisor.keeper_gone.wait()

    run(scenario, Supervisor([service("users"), service("orders")]))

    assert len(started) == 2
    assert not any(ending.runs(process) for process in started)
    assert sorted(lines(tmp_path / "stopped")) == ["orders", "users"]


def test_nothing_is_left_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    script = """
import asyncio, sys, pathlib
from atoll.dev.process import Kind, Spec
from atoll.dev.supervisor import Supervisor
async def main():
    folder = pathlib.Path(sys.argv[1])
    sleep = (sys.executable, "-c", "import time; time.sleep(600)")
    kinds = {"users": Kind.WEB, "postgres": Kind.ENGINE}
    specs = [Spec(name=n, kind=k, argv=sleep, python=False, log=folder / n) for n, k in kinds.items()]
    supervisor = Supervisor(specs)
    await supervisor.open()
    await supervisor.ready()
    pids = [supervisor.keeper.pid, *(member.pid for member in supervisor.members.values())]
    print(*pids, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    supervisor = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert supervisor.stdout is not None
    family = [psutil.Process(int(pid)) for pid in supervisor.stdout.readline().split()]
    assert len(family) == 3

    supervisor.kill()
    supervisor.wait()
    supervisor.stdout.close()

    assert ending.still_running(family, within_s=DEADLINE_S) == []

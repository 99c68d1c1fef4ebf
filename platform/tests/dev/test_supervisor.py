import asyncio
import errno
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from atoll.dev import command
from atoll.dev.process import Kind, Member, Spec, State
from atoll.dev.supervisor import StartFailed, Supervisor

from .scenario import Build, lines, run, until


def test_a_process_starts_only_when_those_it_comes_after_are_ready(service: Build, tmp_path: Path) -> None:
    order: list[str] = []

    def note(member: Member) -> None:
        if member.state in (State.STARTING, State.READY) and f"{member.name} {member.state}" not in order:
            order.append(f"{member.name} {member.state}")

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.ready()

    specs = [service("gateway", after=("users",)), service("users", after=("registry",)), service("registry")]
    run(scenario, Supervisor(specs, on_change=note))

    expected = ["registry starting", "registry ready", "users starting", "users ready"]
    assert order == [*expected, "gateway starting", "gateway ready"]
    assert lines(tmp_path / "started") == ["registry", "users", "gateway"]


def test_a_process_that_dies_is_named_and_started_again(service: Build, tmp_path: Path) -> None:
    notices: list[str] = []

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.ready()
        member = supervisor.members["users"]
        first = member.pid
        assert first is not None
        (tmp_path / "users.ready").unlink()
        os.kill(first, signal.SIGKILL)
        await until(lambda: member.state == State.READY and member.pid != first)
        assert member.restarts == 1

    run(
        scenario,
        Supervisor(
            [service("users")], on_notice=lambda member, text: notices.append(f"{member.name} {text}")
        ),
    )

    assert notices == [f"users killed by SIGKILL; starting again in 0.5 s (log: {tmp_path / 'users.log'})"]
    assert lines(tmp_path / "started") == ["users", "users"]


def test_a_process_that_a_person_has_stopped_starts_when_it_is_wanted_again(
    service: Build, tmp_path: Path
) -> None:
    notices: list[str] = []
    stopped: set[str] = set()

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.ready()
        member = supervisor.members["users"]
        first = member.pid
        assert first is not None
        (tmp_path / "users.ready").unlink()
        stopped.add("users")
        os.kill(first, signal.SIGTERM)
        await until(lambda: member.state == State.STOPPED)
        assert (member.pid, lines(tmp_path / "started")) == (None, ["users"])
        stopped.clear()
        await until(lambda: member.state == State.READY and member.pid not in (None, first))
        assert member.restarts == 0

    run(
        scenario,
        Supervisor(
            [service("users")],
            on_notice=lambda member, text: notices.append(f"{member.name} {text}"),
            is_stopped=stopped.__contains__,
        ),
    )

    assert notices == ["users was stopped by a person"]
    assert lines(tmp_path / "started") == ["users", "users"]


def test_a_process_that_stays_stopped_does_not_keep_the_platform_from_its_end(
    service: Build, tmp_path: Path
) -> None:
    stopped: set[str] = set()

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.ready()
        member = supervisor.members["users"]
        assert member.pid is not None
        stopped.add("users")
        os.kill(member.pid, signal.SIGTERM)
        await until(lambda: member.state == State.STOPPED)

    run(scenario, Supervisor([service("users"), service("orders")], is_stopped=stopped.__contains__))

    assert lines(tmp_path / "started").count("users") == 1


def test_what_a_dead_process_had_started_does_not_outlive_it(service: Build, tmp_path: Path) -> None:
    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.ready()
        helper = int((tmp_path / "users.helper").read_text())
        pid = supervisor.members["users"].pid
        assert pid is not None and psutil.pid_exists(helper)
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not psutil.pid_exists(helper))

    run(scenario, Supervisor([service("users")]))


def test_a_process_comes_back_though_the_folder_of_its_log_was_deleted(
    service: Build, tmp_path: Path
) -> None:
    log = tmp_path / "logs" / "users.log"
    log.parent.mkdir()

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.ready()
        member = supervisor.members["users"]
        first = member.pid
        assert first is not None
        shutil.rmtree(log.parent)
        (tmp_path / "users.ready").unlink()
        os.kill(first, signal.SIGKILL)
        await until(lambda: member.state == State.READY and member.pid != first)

    run(scenario, Supervisor([replace(service("users"), log=log)]))

    assert lines(tmp_path / "started") == ["users", "users"]
    assert log.exists()


def test_a_log_that_cannot_be_written_stops_nobody(service: Build, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.ready()

    run(scenario, Supervisor([replace(service("users"), log=tmp_path / "file" / "users.log")]))

    assert lines(tmp_path / "started") == ["users"]


def test_a_program_that_is_not_there_ends_the_start_and_not_the_keeper(
    service: Build, tmp_path: Path
) -> None:
    gone = replace(service("postgres"), argv=(str(tmp_path / "nowhere"),))

    async def scenario(supervisor: Supervisor) -> None:
        with pytest.raises(StartFailed) as failure:
            await supervisor.ready()
        assert str(failure.value).startswith("postgres does not start: ended with exit code 71.")
        assert (
            f"postgres could not be started: [Errno 2] No such file or directory: '{tmp_path}/nowhere'"
            in str(failure.value)
        )
        assert not supervisor.keeper_gone.is_set()

    run(scenario, Supervisor([gone]))


def test_a_full_disk_at_the_side_that_is_told_does_not_end_the_tending(
    service: Build, tmp_path: Path
) -> None:
    def full(member: Member) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.ready()
        member = supervisor.members["users"]
        first = member.pid
        assert first is not None
        (tmp_path / "users.ready").unlink()
        os.kill(first, signal.SIGKILL)
        await until(lambda: member.state == State.READY and member.pid != first)

    run(scenario, Supervisor([service("users")], on_change=full))

    assert lines(tmp_path / "started") == ["users", "users"]


def test_a_start_that_fails_for_want_of_disk_says_so_first(tmp_path: Path) -> None:
    script = "raise SystemExit('could not extend file: No space left on device')"
    job = Spec(
        name="users-setup",
        kind=Kind.SETUP,
        argv=(sys.executable, "-c", script),
        python=False,
        log=tmp_path / "l",
    )

    async def scenario(supervisor: Supervisor) -> None:
        with pytest.raises(StartFailed, match=r"^The disk is full: make room\. users-setup does not start"):
            await supervisor.ready()

    run(scenario, Supervisor([job]))


def test_a_process_that_never_comes_up_ends_the_start_with_the_end_of_its_log(tmp_path: Path) -> None:
    broken = Spec(
        name="orders",
        kind=Kind.WEB,
        argv=(sys.executable, "-c", "raise SystemExit('no such table: orders')"),
        python=False,
        log=tmp_path / "orders.log",
        probe=lambda: asyncio.sleep(0, result=False),
    )

    async def scenario(supervisor: Supervisor) -> None:
        with pytest.raises(StartFailed) as failure:
            await supervisor.ready()
        first, *quoted = str(failure.value).splitlines()
        assert (
            first == f"orders does not start: ended with exit code 1. The end of {tmp_path / 'orders.log'}:"
        )
        assert quoted == ["    no such table: orders"] * 3

    run(scenario, Supervisor([broken]))


def test_a_set_up_runs_once_and_lets_the_others_start(service: Build, tmp_path: Path) -> None:
    script = "import sys; open(sys.argv[1], 'a').write('done ')"
    job = Spec(
        name="users-setup",
        kind=Kind.SETUP,
        argv=(sys.executable, "-c", script, str(tmp_path / "runs")),
        python=False,
        log=tmp_path / "users-setup.log",
    )

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.ready()
        assert supervisor.members["users-setup"].state == State.DONE

    run(scenario, Supervisor([job, service("users", after=("users-setup",))]))

    assert lines(tmp_path / "runs") == ["done"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks its processes from the keeper")
def test_a_forked_command_runs_with_its_own_log_and_environment(tmp_path: Path) -> None:
    job = Spec(name="help", kind=Kind.SETUP, argv=("help",), log=tmp_path / "help.log")

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.ready()
        assert supervisor.keeper is not None
        assert supervisor.members["help"].pid != supervisor.keeper.pid

    run(scenario, Supervisor([job], forks=True))

    assert command.manage("PROJECT COMMAND") in (tmp_path / "help.log").read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks its processes from the keeper")
def test_forking_goes_well_though_asyncio_has_reset_the_wake_up_descriptor_in_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From Python 3.12 on asyncio does so by itself; here every Python does."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal\nos.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}")
    job = Spec(name="help", kind=Kind.SETUP, argv=("help",), log=tmp_path / "help.log")

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.ready()

    run(scenario, Supervisor([job], forks=True))

    assert command.manage("PROJECT COMMAND") in (tmp_path / "help.log").read_text()


def test_without_forking_the_same_command_runs_in_a_fresh_interpreter(tmp_path: Path) -> None:
    job = Spec(name="help", kind=Kind.SETUP, argv=("help",), log=tmp_path / "help.log")

    async def scenario(supervisor: Supervisor) -> None:
        await supervisor.ready()

    run(scenario, Supervisor([job], forks=False))

    assert command.manage("PROJECT COMMAND") in (tmp_path / "help.log").read_text()

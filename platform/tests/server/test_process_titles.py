"""``ps``, ``top`` and ``py-spy`` tell the processes of one machine apart."""

import asyncio
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from atoll import cli
from atoll.dev import ports
from atoll.dev.supervisor import Supervisor
from atoll.testing.running import eventually
from server.running import World

# Else pytest-django makes no database where these tests run by themselves.
pytestmark = pytest.mark.django_db(transaction=True)


def title(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()


def short(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def test_a_server_and_its_workers_have_titles(world: World) -> None:
    server = world.serve("--port", "0", "--workers", "2")
    expected = ["atoll library serve child 1", "atoll library serve child 2"]
    eventually(lambda: sorted(title(pid) for pid in server.workers()) == expected, timeout_s=60)
    assert (title(server.popen.pid), short(server.popen.pid)) == ("atoll library serve", "library serve")
    assert server.terminate() == 0


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["help"], "atoll help"),
        (["publish", "--help"], "atoll publish"),
        (["new-service", "users", "--traceback"], "atoll new-service users"),
        ([], "atoll"),
    ],
)
def test_a_command_is_titled_by_its_first_words(
    argv: list[str], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown_titles: list[str] = []
    monkeypatch.setattr("setproctitle.setproctitle", shown_titles.append)
    monkeypatch.setattr("setproctitle.setthreadtitle", lambda _: None)
    with suppress(SystemExit):
        cli.run(argv)
    assert shown_titles == [shown]


def test_the_keeper_has_a_title() -> None:
    async def keep() -> None:
        supervisor = Supervisor([])
        await supervisor.open()
        assert supervisor.keeper is not None
        pid = supervisor.keeper.pid
        try:
            await asyncio.to_thread(eventually, lambda: title(pid) == "atoll keeper")
        finally:
            await supervisor.stop()

    asyncio.run(keep())


def test_a_taken_port_is_explained_by_the_title_of_its_holder() -> None:
    program = (
        "import socket, sys; from atoll import process_title; process_title.show('orders', 'serve');"
        "listener = socket.create_server(('127.0.0.1', 0));"
        "print(listener.getsockname()[1], flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        assert ports.holder(port) == f"process {process.pid} (atoll orders serve)"
        process.kill()

"""A RabbitMQ node of a test's own, from the installed server: own name, ports, data, cookie and epmd.

It leaves the machine's running RabbitMQ alone. `make chaos` starts it as a child of the supervisor, so
it can be killed and comes back with its queues; a test starts it with `running`.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from atoll.dev import ports
from atoll.dev.account import Account, reachable_data, server_account
from atoll.dev.process import Kind, Probe, Spec

# Debian's wrapper in /usr/sbin requires the account `rabbitmq` and its folders; this script does not.
PROGRAM_FOLDERS = ("/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin")
NODE = "atoll-own@localhost"
STOP_STAGE = 9
CONTROL_TIMEOUT_S = 60
START_TIMEOUT_S = 120


def program(name: str) -> Path | None:
    """The path of RabbitMQ's own script; None where RabbitMQ is not installed."""
    for folder in PROGRAM_FOLDERS:
        path = Path(folder, name)
        if path.exists():
            return path
    return None


@dataclass(frozen=True)
class Node:
    """A prepared node. ``port`` serves AMQP on loopback for guest/guest, and ``management_port`` serves
    the management API where it is wanted."""

    folder: Path
    logs: Path
    port: int
    management_port: int
    epmd_port: int
    variables: dict[str, str]
    account: Account | None

    @property
    def specs(self) -> list[Spec]:
        """The processes: Erlang's port mapper, then the node."""
        epmd = Spec(
            name="epmd",
            kind=Kind.ENGINE,
            argv=(_found("epmd"), "-port", str(self.epmd_port), "-address", "127.0.0.1"),
            python=False,
            env=self.variables,
            account=self.account,
            probe=_listening(self.epmd_port),
            stop_stage=STOP_STAGE,
            log=self.logs / "epmd.log",
        )
        return [
            epmd,
            Spec(
                name="rabbitmq",
                kind=Kind.ENGINE,
                argv=(str(program("rabbitmq-server")),),
                python=False,
                env=self.variables,
                after=(epmd.name,),
                account=self.account,
                probe=_greets(self.port),
                stop_stage=STOP_STAGE,
                log=self.logs / "rabbitmq.log",
            ),
        ]

    def control(self, *arguments: str) -> str:
        """Run ``rabbitmqctl``. Returns its output; raises CalledProcessError when it fails."""
        done = subprocess.run(
            [str(program("rabbitmqctl")), "--quiet", "--node", NODE, *arguments],
            env=os.environ | self.variables,
            cwd="/",
            capture_output=True,
            text=True,
            check=True,
            timeout=CONTROL_TIMEOUT_S,
            **(self.account.popen_options() if self.account else {}),  # type: ignore[call-overload]
        )
        return str(done.stdout)


def prepare(home: Path, *, management: bool = False) -> Node:
    """Prepare folders, configuration and free ports under ``home``. Starts nothing."""
    folder = reachable_data(home / "rabbitmq")
    account = server_account()
    port, management_port, dist_port, epmd_port = (ports.free() for _ in range(4))
    listeners = f"listeners.tcp.local = 127.0.0.1:{port}\n"
    if management:
        listeners += f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {management_port}\n"
    texts = {
        "rabbitmq.conf": (f"{listeners}log.console = true\nlog.console.level = warning\nlog.file = false\n"),
        "env.conf": "",
        "enabled_plugins": "[rabbitmq_management].\n" if management else "[].\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    for name in ("mnesia", "log"):
        (folder / name).mkdir(exist_ok=True)
    if account:
        for path in (folder, *folder.iterdir()):
            os.chown(path, account.uid, account.gid)
    variables = {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": NODE,
        "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_DIST_PORT": str(dist_port),
        # With it the script becomes the node, and does not wait for it as its child.
        "RUNNING_UNDER_SYSTEMD": "1",
        "ERL_EPMD_PORT": str(epmd_port),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "ERL_FLAGS": "-kernel inet_dist_use_interface {127,0,0,1} -start_epmd false +S 2:2 +sbwt none",
        "LC_ALL": "C.UTF-8",
    }
    return Node(folder, home / "logs", port, management_port, epmd_port, variables, account)


@contextmanager
def running(node: Node) -> Iterator[None]:
    """Run the node without a supervisor inside the block. Raises AssertionError when it does not start."""
    node.logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for spec in node.specs:
            log = stack.enter_context(spec.log.open("wb"))
            started: subprocess.Popen[bytes] = subprocess.Popen(
                spec.argv,
                env=os.environ | dict(spec.env),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                **(spec.account.popen_options() if spec.account else {}),  # type: ignore[call-overload]
            )
            stack.callback(_end, started)
            deadline = time.monotonic() + START_TIMEOUT_S
            while not asyncio.run(_is_ready(spec)):
                assert started.poll() is None, spec.log.read_text()
                assert time.monotonic() < deadline, spec.log.read_text()
                time.sleep(0.05)
        yield


async def _is_ready(spec: Spec) -> bool:
    return spec.probe is None or await spec.probe()


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill the node: no test needs its data."""
    process.kill()
    process.wait()


def _found(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise FileNotFoundError(f"RabbitMQ is here, but {name} is not on the PATH.")
    return path


def _listening(port: int) -> Probe:
    async def ready() -> bool:
        return ports.answers("127.0.0.1", port)

    return ready


def _greets(port: int) -> Probe:
    """Whether the node answers a handshake. It opens its port earlier."""

    def handshake() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.settimeout(2)
                connection.sendall(b"AMQP\x00\x00\x09\x01")
                return len(connection.recv(8)) > 0
        except OSError:
            return False

    async def ready() -> bool:
        return await asyncio.to_thread(handshake)

    return ready

"""The platform under test: all processes, on engines of its own that a fault may kill."""

import asyncio
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import psutil

from atoll import conf
from atoll.dev import databases, plan, postgres, probes, valkey
from atoll.dev.process import Kind, Member, Spec, State
from atoll.dev.supervisor import Supervisor
from atoll.testing import rabbitmq
from tests.chaos.proxy import Proxy

PORT_OFFSET = 3000
READY_TIMEOUT_S = 240.0
# These services run `bus` beside plain Celery workers. The workers of the others include the bus, and run
# handlers on the fast path.
SPLIT = ("orders",)
PREFORK = ("orders",)
# The second worker of these services has the fast path off.
TWICE = ("payments",)
# The other services publish to this service before its first start.
LATE = ("orders-bus", "orders-worker")

Answer = TypeVar("Answer")


def prepare_environment(home: Path, variables: dict[str, str]) -> None:
    """Set this process's environment to that of the platform under test, and remove all other settings."""
    for name in list(os.environ):
        if name.startswith(("ATOLL_", "DJANGO_")) or name.endswith(("_URL", "_SECRET", "SECRET_KEY")):
            del os.environ[name]
    os.environ.update(
        {
            "ATOLL_HOME": str(home),
            "ATOLL_PORT_OFFSET": str(PORT_OFFSET),
            "USERS_RATELIMIT_ENABLE": "false",
            "GATEWAY_RATE_LIMITS": "false",
            **variables,
        }
    )


class System:
    """The engines under one supervisor, the platform under another, and proxies between them.

    An event loop on a thread runs everything. Other threads may call all methods.
    """

    def __init__(self, home: Path, *, with_rabbitmq: bool, say: Callable[[str], None]) -> None:
        self.home = home
        self.node: rabbitmq.Node | None = None
        self.with_rabbitmq = with_rabbitmq
        self.proxies: dict[str, Proxy] = {}
        self.superuser_url: Callable[[str], str] = lambda database: ""
        self._say = say
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="system", daemon=True)
        self._engines = Supervisor(forks=False, on_notice=self._notice)
        self._platform = Supervisor(on_notice=self._notice)
        self._late: list[Spec] = []

    def start_engines(self) -> None:
        """Start engines, databases and proxies from an empty home."""
        if self.home.exists():
            shutil.rmtree(self.home)
        for folder in ("logs", "run"):
            (self.home / folder).mkdir(parents=True)
        conf.ensure_local_secrets()
        self._thread.start()
        self.on_loop(self._start_engines(), READY_TIMEOUT_S)
        databases.ensure_on_real_servers()

    def start_platform(self, wrap: Callable[[Spec], Spec] = lambda spec: spec) -> None:
        """Start all processes except LATE. Returns when they are ready.

        ``wrap`` may change the start of a process.
        """
        self.on_loop(self._start_platform(wrap), READY_TIMEOUT_S)

    def start_late(self) -> None:
        """Start the processes in LATE for the first time. Returns when they are ready."""
        self.on_loop(self._start_late(), READY_TIMEOUT_S)

    async def _start_engines(self) -> None:
        server = await asyncio.to_thread(postgres.prepare, self.home)
        cache = await asyncio.to_thread(valkey.prepare, self.home)
        logs = self.home / "logs"
        specs = [
            Spec(
                name="postgres",
                kind=Kind.ENGINE,
                argv=server.argv,
                python=False,
                account=server.account,
                probe=probes.postgres(server),
                stop_signal=postgres.FAST_SHUTDOWN,
                log=logs / "postgres.log",
            ),
            Spec(
                name="valkey",
                kind=Kind.ENGINE,
                argv=cache.argv,
                python=False,
                probe=probes.valkey(cache),
                log=logs / "valkey.log",
            ),
        ]
        if self.with_rabbitmq:
            self.node = rabbitmq.prepare(self.home)
            specs += self.node.specs
        await self._engines.open()
        self._engines.add(specs)
        self.superuser_url = server.url
        for project in conf.projects().values():
            proxy = await self._open_proxy(project.name, server.port)
            address = f"{postgres.SUPERUSER}:{server.password}@127.0.0.1:{proxy.port}"
            os.environ[f"{project.name.upper()}_DATABASE_URL"] = f"postgres://{address}"
        registry = await self._open_proxy("registry", conf.project("registry").port)
        os.environ["REGISTRY_URL"] = f"http://127.0.0.1:{registry.port}"
        proxied = replace(cache, port=(await self._open_proxy("cache", cache.port)).port)
        os.environ["REDIS_URL"] = proxied.url(valkey.CACHE_DATABASE)
        if self.node:
            broker = await self._open_proxy("broker", self.node.port)
            os.environ["RABBITMQ_URL"] = f"amqp://guest:guest@127.0.0.1:{broker.port}//"
        else:
            broker = await self._open_proxy("broker", cache.port)
            os.environ["RABBITMQ_URL"] = replace(cache, port=broker.port).url(valkey.BROKER_DATABASE)
        await self._engines.ready()

    async def _open_proxy(self, name: str, port: int) -> Proxy:
        proxy = self.proxies[name] = Proxy(port)
        await proxy.open()
        return proxy

    async def _start_platform(self, wrap: Callable[[Spec], Spec]) -> None:
        os.environ.update(plan.environment(self.home))
        await self._platform.open()
        specs = [wrap(spec) for spec in arranged(plan.processes(self.home, []))]
        self._late = [spec for spec in specs if spec.name in LATE]
        self._platform.add(spec for spec in specs if spec.name not in LATE)
        await self._platform.ready()

    async def _start_late(self) -> None:
        self._platform.add(self._late)
        await self._platform.ready()

    def stop_platform(self) -> None:
        """Stop everything except the engines, as Ctrl-C does."""
        self.on_loop(self._platform.stop(), 30)

    def close(self) -> None:
        """Stop all processes."""
        if not self._thread.is_alive():
            return
        if self._platform.keeper:
            self.stop_platform()
        if self._engines.keeper:
            self.on_loop(self._engines.stop(), 30)
        for proxy in self.proxies.values():
            self._loop.call_soon_threadsafe(proxy.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    @property
    def members(self) -> dict[str, Member]:
        return {**self._engines.members, **self._platform.members}

    def not_ready(self) -> list[str]:
        wanted = {State.READY, State.DONE}
        return [member.name for member in self.members.values() if member.state not in wanted]

    def wait_ready(self, timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while self.not_ready() and time.monotonic() < deadline:
            time.sleep(0.1)
        return not self.not_ready()

    def process(self, name: str) -> psutil.Process | None:
        """Return the running process, or None."""
        member = self.members[name]
        if member.pid is None or member.state not in {State.READY, State.STARTING}:
            return None
        try:
            return psutil.Process(member.pid)
        except psutil.NoSuchProcess:
            return None

    def signal_family(self, name: str, signum: signal.Signals) -> int:
        """Send a signal to a process and its descendants. Returns the number of processes."""
        process = self.process(name)
        if process is None:
            return 0
        count = 0
        try:
            family = [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return 0
        for member in family:
            try:
                member.send_signal(signum)
                count += 1
            except psutil.NoSuchProcess:
                continue
        return count

    def on_loop(self, work: Coroutine[Any, Any, Answer], timeout_s: float) -> Answer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)

    def call(self, function: Callable[[], None]) -> None:
        """Run a short function on the event loop, such as a change of a proxy."""

        async def run() -> None:
            function()

        self.on_loop(run(), 10)

    def _notice(self, member: Member, text: str) -> None:
        self._say(f"    {member.name} {text.partition(' (log')[0]}")


def arranged(specs: list[Spec]) -> list[Spec]:
    """Return the platform's processes, arranged to include the other ways to run a service."""
    found: list[Spec] = []
    for spec in specs:
        project = spec.name.removesuffix("-worker")
        if spec.kind != Kind.WORKER:
            found.append(spec)
            continue
        if project in SPLIT:
            found.append(_another(spec, f"{project}-bus", (project, "bus")))
            spec = replace(spec, env=dict(spec.env) | {"BUS_IN_WORKER": "0"})
        if project in PREFORK:
            spec = replace(spec, argv=(*spec.argv, "--pool", "prefork", "--concurrency", "2"))
        found.append(spec)
        if project in TWICE:
            found.append(_another(spec, f"{spec.name}-2", spec.argv, BUS_FAST_PATH="0"))
    return found


def _another(spec: Spec, name: str, argv: tuple[str, ...], **variables: str) -> Spec:
    state = Path(spec.env["ATOLL_LIFECYCLE_FILE"]).with_name(f"{name}.state")
    return replace(
        spec,
        name=name,
        argv=argv,
        env=dict(spec.env) | {"ATOLL_LIFECYCLE_FILE": str(state)} | variables,
        probe=probes.lifecycle(state),
        log=spec.log.with_name(f"{name}.log"),
    )

"""``up``: starts engines, databases, set-ups, web processes and workers, and watches them until a signal."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import psycopg2

from atoll import conf
from atoll.dev import account, databases, engines, logfiles, plan, ports, setup, steering
from atoll.dev.engines import Engines
from atoll.dev.platform_lock import AlreadyRunning, PlatformLock
from atoll.dev.postgres import EngineError
from atoll.dev.process import Kind, Member, State
from atoll.dev.screen import Screen
from atoll.dev.supervisor import StartFailed, Supervisor
from atoll.postgresql import budget

DRAW_INTERVAL_S = 0.1
ROTATE_INTERVAL_S = 5.0
EXIT_BUSY = 3

EMBEDDED_BROKER = (
    "The embedded broker (Valkey) is for one machine. A message can be lost in the last second before the "
    "machine itself crashes, and what a killed process had just taken comes back within 20 s. RabbitMQ "
    "has neither the gap nor the wait: set RABBITMQ_URL."
)


class BusyPort(Exception):
    """A port of the platform is taken. The message names the holder and the remedy."""


async def up(home: Path, screen: Screen, *, demo_data: bool = True, reloads: bool = False) -> int:
    """Run the platform in this process until SIGINT, SIGTERM or SIGHUP. Returns the exit code.

    ``reloads`` restarts the processes whose code changes.
    """
    stop = asyncio.Event()
    running = asyncio.create_task(_run(home, screen, stop, demo_data=demo_data, reloads=reloads))
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signum, stop.set)
    return await running


async def _run(home: Path, screen: Screen, stop: asyncio.Event, *, demo_data: bool, reloads: bool) -> int:
    try:
        lock = PlatformLock(home, conf.gateway_url())
    except AlreadyRunning as refusal:
        screen.say(str(refusal))
        return EXIT_BUSY
    platform = _Platform(home, screen, lock)
    try:
        starting = asyncio.create_task(platform.start(demo_data=demo_data, reloads=reloads))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            starting.result()
            gone = asyncio.create_task(platform.supervisor.keeper_gone.wait())
            await asyncio.wait({stopping, gone}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise StartFailed("The process that keeps all others was killed, and they with it.")
            gone.cancel()
        starting.cancel()
        stopping.cancel()
        return 0
    except BusyPort as refusal:
        screen.progress_ends()
        screen.say(str(refusal), "red")
        return EXIT_BUSY
    except (StartFailed, EngineError, databases.DatabaseError) as failure:
        screen.progress_ends()
        screen.say(str(failure), "red")
        return 1
    finally:
        await platform.stop()


class _Platform:
    def __init__(self, home: Path, screen: Screen, lock: PlatformLock) -> None:
        self.home, self.screen, self.lock = home, screen, lock
        self.supervisor = Supervisor(
            on_change=self._changed,
            on_notice=self._notice,
            is_stopped=lambda name: steering.is_stopped(home, name),
        )
        self.engines: Engines | None = None
        self._background: list[asyncio.Task[None]] = []

    async def start(self, *, demo_data: bool, reloads: bool) -> None:
        conf.ensure_local_secrets()
        for folder in ("logs", "run"):
            (self.home / folder).mkdir(exist_ok=True)
        steering.forget_stopped(self.home)
        ended = await asyncio.to_thread(self.lock.clear_leftovers)
        if ended:
            self.screen.say(f"Cleared {len(ended)} processes that an earlier run left behind.", "yellow")
        _check_ports()
        # The keeper imports Django during the set-up of PostgreSQL.
        await self.supervisor.open()
        self._background.append(asyncio.create_task(self._draw()))
        found = self.engines = await asyncio.to_thread(engines.prepare, self.home)
        if found.postgres and found.postgres.account:
            programs = Path(found.postgres.argv[0]).parent
            self.screen.say(account.told(self.home / "postgres", programs), "yellow")
        await self._start_engines(found)
        names = [spec.name for spec in found.specs(self.home / "logs")]
        self.supervisor.add(plan.processes(self.home, names, demo_data=demo_data))
        await self.supervisor.ready()
        self._background.pop().cancel()
        self.screen.progress_ends()
        self.lock.mark_ready()
        self._background.append(asyncio.create_task(self._rotate_logs()))
        notes = [EMBEDDED_BROKER, ""] if found.broker_is_embedded else []
        for problem in await asyncio.to_thread(budget.server_shortages):
            notes += [problem, ""]
        if reloads:
            # Imported here: it loads a library that only this option needs.
            from atoll.dev.reloading import Reloader

            notes += ["A change of a project's code restarts its processes.", ""]
            self._background.append(asyncio.create_task(Reloader(self.supervisor, self._say).watch()))
        self.screen.summary(list(self.supervisor.members.values()), str(self.home), notes)

    async def _start_engines(self, found: Engines) -> None:
        specs = found.specs(self.home / "logs")
        self.supervisor.add(specs)
        if specs:
            await self.supervisor.ready(*[spec.name for spec in specs])
        if found.postgres:
            try:
                await asyncio.to_thread(databases.make_own, found.postgres.url())
            except psycopg2.Error as error:
                raise EngineError(f"PostgreSQL did not make the databases: {error}".strip()) from error
        await asyncio.to_thread(databases.ensure_on_real_servers)

    async def stop(self) -> None:
        for task in self._background:
            task.cancel()
        self.screen.progress_ends()
        if self.supervisor.keeper:
            self.screen.say("Stopping: services drain and deregister, engines last. Again Ctrl-C kills.")
            loop = asyncio.get_running_loop()
            for signum in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(signum, self.supervisor.kill_everything)
            flushed = asyncio.create_task(self._flush())
            await self.supervisor.stop()
            flushed.cancel()
            self.screen.say("Stopped. Nothing is left running; the data stays.")
        self.lock.close()

    async def _flush(self) -> None:
        if self.engines and self.engines.postgres:
            await asyncio.to_thread(databases.checkpoint, self.engines.postgres.url())

    def _changed(self, member: Member) -> None:
        if member.state == State.DONE:
            with suppress(OSError):  # without the stamp the next start repeats the set-up
                setup.Stamp(self.home, conf.project(member.name.removesuffix("-setup"))).refresh()
        with suppress(OSError):  # the terminal may be closed
            self.screen.changed(member)
        shown = [m for m in self.supervisor.members.values() if m.spec.kind != Kind.SETUP]
        keeper = self.supervisor.keeper
        self.lock.write(shown, keeper=keeper.pid if keeper else None)

    def _notice(self, member: Member, text: str) -> None:
        self._say(f"{member.name} {text}", "red")

    def _say(self, text: str, style: str) -> None:
        with suppress(OSError):  # the terminal may be closed
            self.screen.say(text, style)

    async def _draw(self) -> None:
        while True:
            self.screen.progress(list(self.supervisor.members.values()), "Starting Atoll")
            await asyncio.sleep(DRAW_INTERVAL_S)

    async def _rotate_logs(self) -> None:
        while True:
            with suppress(OSError):  # such as a full disk: try again later
                await asyncio.to_thread(logfiles.rotate, self.home / "logs")
            await asyncio.sleep(ROTATE_INTERVAL_S)


def _check_ports() -> None:
    busy = [project for project in conf.projects().values() if not ports.is_free(project.port)]
    if not busy:
        return
    lines = [f"Port {p.port}, which {p.name} needs, is taken by {ports.holder(p.port)}." for p in busy]
    offset = int(os.environ.get("ATOLL_PORT_OFFSET") or 0) + 1000
    lines.append(f"Stop what holds it, or move Atoll aside: `ATOLL_PORT_OFFSET={offset} make up`.")
    raise BusyPort("\n".join(lines))

"""Starts processes in the order of their readiness, restarts those that end, stops all."""

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import psutil

from atoll import conf
from atoll.dev import ending, kernel
from atoll.dev.process import Kind, Member, Spec, State, cause_of, describe_failure

PROBE_INTERVAL_S = 0.1
START_LIMIT_S = 90.0
FIRST_STARTS = 3
STOPPED_LOOK_INTERVAL_S = 0.5
# A process that starts again for a change finishes its requests and messages within this time.
CHANGED_KILL_AFTER_S = 30.0

# The C library reads these at the start of a program: few arenas, and freed memory goes back to the
# system even after one large allocation (a password hash takes 100 MB for a moment).
MALLOC = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072", "MALLOC_MMAP_THRESHOLD_": "131072"}
STABLE_AFTER_S = 30.0
BACKOFF_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)

# Seconds from the request to stop. The next stage begins at its time even if the stage before has not
# ended. Processes that still run at the end are killed. Engines stop in the rest of 10 s.
STOP_STAGES_S = (3.0, 6.0, 7.5)
KILL_AFTER_S = 8.0
KILLED_IS_GONE_WITHIN_S = 1.0
ENGINES_STOPPED_AFTER_S = 9.7


class StartFailed(Exception):
    """A process did not become ready in FIRST_STARTS tries. The message has its name and its log."""


Notice = Callable[[Member, str], None]


class Supervisor:
    """Owns the keeper and, through it, every process of ``specs``.

    Calls ``on_change`` at every change of state, and ``on_notice`` with a sentence when a process ends. Does
    not start a process while ``is_stopped`` is true for its name.
    """

    def __init__(
        self,
        specs: Iterable[Spec] = (),
        *,
        forks: bool = kernel.LINUX,
        on_change: Callable[[Member], None] = lambda member: None,
        on_notice: Notice = lambda member, text: None,
        is_stopped: Callable[[str], bool] = lambda name: False,
    ) -> None:
        self.members: dict[str, Member] = {}
        self.forks = forks
        self.on_change = on_change
        self.on_notice = on_notice
        self.is_stopped = is_stopped
        self.stopping = False
        self.keeper: subprocess.Popen[bytes] | None = None
        self._reached: dict[str, asyncio.Event] = {}
        self._started: dict[str, asyncio.Future[int | None]] = {}
        self._exited: dict[str, asyncio.Future[int]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._again: dict[str, asyncio.Event] = {}
        self._insisting: set[asyncio.Task[None]] = set()
        self._writer: asyncio.StreamWriter | None = None
        self._reader_task: asyncio.Task[None] | None = None
        self.keeper_gone = asyncio.Event()
        self._specs = list(specs)

    async def open(self) -> None:
        """Start the keeper and the processes added so far."""
        ours, theirs = socket.socketpair()
        way = "fork" if self.forks else "exec"
        self.keeper = subprocess.Popen(
            [sys.executable, "-m", "atoll.dev.keeper", str(theirs.fileno()), way],
            pass_fds=[theirs.fileno()],
            cwd=conf.root(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | MALLOC,
        )
        theirs.close()
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self._reader_task = asyncio.create_task(self._listen(reader))
        self.add(self._specs)

    def add(self, specs: Iterable[Spec]) -> None:
        """Add processes. Each starts as soon as the processes in its ``after`` are ready."""
        added = [Member(spec) for spec in specs]
        for member in added:
            self.members[member.name] = member
            self._reached[member.name] = asyncio.Event()
            self._again[member.name] = asyncio.Event()
        for member in added:
            self._tasks[member.name] = asyncio.create_task(self._tend(member))

    async def ready(self, *names: str) -> None:
        """Wait until these processes (or all so far) have been ready once.

        Raises StartFailed when one does not become ready.
        """
        pending = {asyncio.create_task(self._reached[name].wait()) for name in names or self.members}
        gone = asyncio.create_task(self.keeper_gone.wait())
        watched: set[asyncio.Task[Any]] = {gone, *self._tasks.values()}
        try:
            while pending:
                done, _ = await asyncio.wait(pending | watched, return_when=asyncio.FIRST_COMPLETED)
                if gone in done:
                    raise StartFailed("The process that keeps all others was killed.")
                for task in done & watched:
                    task.result()
                pending -= done
                watched -= done
        finally:
            for wait in (*pending, gone):
                wait.cancel()

    def restart(self, names: Iterable[str]) -> list[str]:
        """Ask these processes to end, and start each again at once, even if it waits after a failure.

        Returns the names of the processes that start again. Every other process is unknown, has not started
        yet, or was stopped by a person.
        """
        started = (State.STARTING, State.READY, State.RESTARTING)
        members = [self.members[name] for name in names if name in self.members and not self.stopping]
        members = [m for m in members if m.state in started and not self.is_stopped(m.name)]
        alive = self._alive()
        for member in members:
            # A second signal would end it without the drain.
            is_asked = self._again[member.name].is_set()
            self._again[member.name].set()
            if member in alive and not is_asked:
                self._change(member, State.RESTARTING)
                self._send(do="signal", name=member.name, signal=int(member.spec.stop_signal), group=False)
                insisting = asyncio.create_task(self._insist(member))
                self._insisting.add(insisting)
                insisting.add_done_callback(self._insisting.discard)
        return [member.name for member in members]

    async def stop(self) -> None:
        """Stop everything, engines last, within 10 s. Returns when no process is left."""
        if self.stopping:
            return
        self.stopping = True
        for task in (*self._tasks.values(), *self._insisting):
            task.cancel()
        began = time.monotonic()
        if self.keeper_gone.is_set():
            await asyncio.to_thread(_end_orphans, [m.pid for m in self._alive() if m.pid])
            await self._dismiss_keeper()
            return
        services = [member for member in self._alive() if member.spec.kind != Kind.ENGINE]
        for stage, limit_s in enumerate(STOP_STAGES_S):
            self._ask_to_stop(member for member in services if member.spec.stop_stage == stage)
            await self._wait_gone(
                [member for member in services if member.spec.stop_stage <= stage], began + limit_s
            )
        await self._wait_gone(services, began + KILL_AFTER_S)
        self._kill(services)
        await self._wait_gone(services, time.monotonic() + KILLED_IS_GONE_WITHIN_S)
        engines = self._alive()
        self._ask_to_stop(engines)
        await self._wait_gone(engines, began + ENGINES_STOPPED_AFTER_S)
        self._kill(engines)
        await self._wait_gone(engines, time.monotonic() + KILLED_IS_GONE_WITHIN_S)
        await self._dismiss_keeper()

    def kill_everything(self) -> None:
        """Kill every process now. ``stop`` then returns at once."""
        self._kill(self._alive())

    async def _tend(self, member: Member) -> None:
        for name in member.spec.after:
            await self._reached[name].wait()
        failures, again = 0, self._again[member.name]
        while True:
            if self.is_stopped(member.name):
                await self._stay_stopped(member)
                failures = 0
            member.ready_after_s = None
            again.clear()
            status = await self._run_once(member)
            if member.spec.kind == Kind.SETUP and status == 0:
                self._change(member, State.DONE)
                self._reached[member.name].set()
                return
            if self.is_stopped(member.name):
                continue
            if again.is_set():
                failures = 0
                member.restarts += 1
                continue
            stable = member.ready_after_s is not None and member.age_s >= STABLE_AFTER_S
            failures = 1 if stable else failures + 1
            if failures >= FIRST_STARTS and not self._reached[member.name].is_set():
                raise StartFailed(describe_failure(member, status))
            delay_s = BACKOFF_S[min(failures, len(BACKOFF_S)) - 1]
            member.restarts += 1
            self._change(member, State.RESTARTING)
            self.on_notice(
                member, f"{cause_of(status)}; starting again in {delay_s:g} s (log: {member.spec.log})"
            )
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await again.wait()
                failures = 0

    async def _insist(self, member: Member) -> None:
        """Kill the process if it has not ended in time."""
        exited = self._exited[member.name]
        await asyncio.wait([exited], timeout=CHANGED_KILL_AFTER_S)
        if not exited.done():
            self._kill([member])

    async def _stay_stopped(self, member: Member) -> None:
        """Return when somebody wants the process again."""
        # The system may give its id to another process.
        member.pid = None
        self._change(member, State.STOPPED)
        self.on_notice(member, "was stopped by a person")
        while self.is_stopped(member.name):
            await asyncio.sleep(STOPPED_LOOK_INTERVAL_S)

    async def _run_once(self, member: Member) -> int:
        loop = asyncio.get_running_loop()
        started: asyncio.Future[int | None] = loop.create_future()
        exited: asyncio.Future[int] = loop.create_future()
        self._started[member.name], self._exited[member.name] = started, exited
        member.started_at = time.monotonic()
        self._change(member, State.STARTING)
        self._order_start(member.spec)
        member.pid = await asyncio.shield(started)
        self._change(member, State.STARTING)
        if member.spec.kind == Kind.SETUP:
            return int(await asyncio.shield(exited))
        while not exited.done():
            if member.spec.probe is None or await member.spec.probe():
                member.ready_after_s = member.age_s
                self._change(member, State.READY)
                self._reached[member.name].set()
                break
            if member.age_s > START_LIMIT_S:
                self._kill([member])
                break
            await asyncio.wait([exited], timeout=PROBE_INTERVAL_S)
        return int(await asyncio.shield(exited))

    def _order_start(self, spec: Spec) -> None:
        # A new identity for every start: the registry keeps a tombstone of the old one.
        env = dict(spec.env) | {"ATOLL_INSTANCE": f"{spec.name}-{secrets.token_hex(3)}"}
        lifecycle_file = env.get("ATOLL_LIFECYCLE_FILE")
        if lifecycle_file:
            with suppress(OSError):
                os.unlink(lifecycle_file)
        account = spec.account.popen_options() if spec.account else None
        self._send(
            do="start",
            name=spec.name,
            argv=list(spec.argv),
            env=env,
            log=str(spec.log),
            python=spec.python,
            account=account,
            engine=spec.kind == Kind.ENGINE,
            stop=int(spec.stop_signal),
        )

    def _change(self, member: Member, state: State) -> None:
        member.state = state
        # A full disk or a closed terminal does not end the supervision of a process.
        with suppress(OSError):
            self.on_change(member)

    def _alive(self) -> list[Member]:
        return [
            m for m in self.members.values() if m.name in self._exited and not self._exited[m.name].done()
        ]

    def _ask_to_stop(self, members: Iterable[Member]) -> None:
        for member in members:
            self._change(member, State.STOPPING)
            self._send(do="signal", name=member.name, signal=int(member.spec.stop_signal), group=False)

    def _kill(self, members: Iterable[Member]) -> None:
        for member in members:
            self._send(do="signal", name=member.name, signal=int(signal.SIGKILL), group=True)

    async def _wait_gone(self, members: list[Member], deadline: float) -> None:
        waits = [self._exited[member.name] for member in members if not self._exited[member.name].done()]
        if waits:
            await asyncio.wait(waits, timeout=max(0.0, deadline - time.monotonic()))

    async def _dismiss_keeper(self) -> None:
        if self._writer:
            self._writer.close()
        if self._reader_task:
            self._reader_task.cancel()
        if self.keeper:
            await asyncio.to_thread(self.keeper.wait)

    def _send(self, **order: object) -> None:
        if self._writer and not self._writer.is_closing():
            self._writer.write(json.dumps(order).encode() + b"\n")

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while line := await reader.readline():
                event = json.loads(line)
                name = event["name"]
                if event["is"] == "started":
                    self._started[name].set_result(event["pid"])
                else:
                    if not self._started[name].done():
                        self._started[name].set_result(None)  # the keeper could not start it
                    self._exited[name].set_result(event["status"])
                    if self.stopping:
                        self._change(self.members[name], State.STOPPED)
        self.keeper_gone.set()


def _end_orphans(pids: list[int]) -> None:
    """Wait for the processes of a killed keeper, which the kernel has signalled. Kill those that stay."""
    orphans = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            orphans.append(psutil.Process(pid))
    for process in ending.still_running(orphans, within_s=KILL_AFTER_S):
        with suppress(psutil.NoSuchProcess):
            process.kill()

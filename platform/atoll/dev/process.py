"""The processes of the supervisor: the description and the state of each."""

import errno
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from atoll.dev.account import Account

Probe = Callable[[], Awaitable[bool]]


class Kind(StrEnum):
    ENGINE = "engine"
    SETUP = "setup"
    WEB = "web"
    WORKER = "worker"


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The description of a process.

    ``after`` names the processes that must be ready (a set-up: done) before it starts. ``argv`` is a
    command line of manage.py if ``python`` is true, else a program and its arguments. Processes of a
    lower ``stop_stage`` stop first. ``probe`` returns whether the process is ready; without a probe it
    is ready once started.
    """

    name: str
    kind: Kind
    argv: tuple[str, ...]
    log: Path
    python: bool = True
    env: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    port: int | None = None
    probe: Probe | None = None
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_stage: int = 1


class State(StrEnum):
    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass
class Member:
    """The state of a process."""

    spec: Spec
    state: State = State.WAITING
    pid: int | None = None
    started_at: float = 0.0  # time.monotonic()
    ready_after_s: float | None = None
    restarts: int = 0

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def age_s(self) -> float:
        return time.monotonic() - self.started_at


def cause_of(status: int) -> str:
    """An exit code, or minus a signal, in words."""
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"ended with exit code {status}"


def describe_failure(member: Member, status: int) -> str:
    """The reason why a process does not start, with the end of its log."""
    lines = member.spec.log.read_text(errors="replace").splitlines()[-15:] if member.spec.log.exists() else []
    quoted = "\n".join(f"    {line}" for line in lines)
    full = "The disk is full: make room. " if os.strerror(errno.ENOSPC) in quoted else ""
    return f"{full}{member.name} does not start: {cause_of(status)}. The end of {member.spec.log}:\n{quoted}"

"""The parent of every process that ``up`` starts.

It is a process of its own, so that no process is left behind when the supervisor is killed with
``kill -9``: the keeper then reads end-of-file, stops the services, then the engines, and ends.

On Linux it imports the modules that all projects need before it forks. Start-up then pays for
them once, and the processes share their memory (docs/decisions/0004). Elsewhere forking a process
that has loaded system libraries is unsafe: the keeper starts a fresh interpreter for each.

It has one thread, because it forks. The supervisor decides order, readiness and restarts.

``python -m atoll.dev.keeper DESCRIPTOR fork|exec``. Lines of JSON come in on that socket::

    {"do": "start", "name", "argv", "env", "log", "python", "account", "engine", "stop"}
    {"do": "signal", "name", "signal", "group"}

and go out: ``{"is": "started", "name", "pid"}``, ``{"is": "exited", "name", "pid", "status"}``;
``pid`` is null for a process that could not be started.
"""

import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from atoll import conf, process_title
from atoll.dev import kernel
from atoll.dev.preloaded import SHARED_IMPORTS

SERVICE_GRACE_S = 8.0
ENGINE_GRACE_S = 5.0
_STOP_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}


@dataclass
class Child:
    name: str
    pid: int
    engine: bool
    stop_signal: int


class Keeper:
    def __init__(self, connection: socket.socket, *, forks: bool) -> None:
        self.connection = connection
        self.forks = forks
        self.children: dict[int, Child] = {}
        self.unread = b""
        self.wakeup: socket.socket | None = None  # the kernel's end of the pair that reports signals
        self.pending_imports = list(SHARED_IMPORTS) if forks else []

    def run(self) -> bool:
        """Serve until the supervisor and every child are gone. Returns False.

        It also returns, with True, in each child that it forks.
        """
        with selectors.DefaultSelector() as selector:
            wakeup, self.wakeup = _wake_on_child_exit()
            selector.register(self.connection, selectors.EVENT_READ, self.connection)
            selector.register(wakeup, selectors.EVENT_READ, wakeup)
            while True:
                self._report_exits()
                ready = selector.select(timeout=0 if self.pending_imports else None)
                if not ready:
                    self._import_next()
                if any(key.data is wakeup for key, _ in ready):
                    wakeup.recv(4096)
                if any(key.data is self.connection for key, _ in ready):
                    lines = self._read()
                    if lines is None:
                        break
                    for line in lines:
                        if self._obey(json.loads(line)):
                            return True
        self._stop_all()
        return False

    def _import_next(self) -> None:
        with suppress(ImportError, ImproperlyConfigured):
            importlib.import_module(self.pending_imports.pop(0))
        if not self.pending_imports:
            gc.collect()
            gc.freeze()  # without it the first collection in a child would copy every shared page

    def _read(self) -> list[bytes] | None:
        with suppress(ConnectionError):
            received = self.connection.recv(1 << 16)
            if received:
                *lines, self.unread = (self.unread + received).split(b"\n")
                return lines
        return None

    def _tell(self, **event: object) -> None:
        with suppress(OSError):  # the reading side notices that the supervisor is gone
            self.connection.sendall(json.dumps(event).encode() + b"\n")

    def _obey(self, order: dict[str, Any]) -> bool:
        """Carry out one command. Returns True in a child that it forked."""
        if order["do"] == "signal":
            self._signal(order["name"], order["signal"], group=order["group"])
            return False
        if order["python"] and self.forks:
            while self.pending_imports:
                self._import_next()
            # A signal between the fork and the child's own handlers waits and is not lost.
            signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
            try:
                pid = os.fork()
            except OSError as error:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
                self._tell_not_started(order, error)
                return False
            if pid == 0:
                self.connection.close()
                signal.set_wakeup_fd(-1)
                # set_wakeup_fd does not return it: from Python 3.12 on asyncio has cleared it by now.
                if self.wakeup:
                    self.wakeup.close()
                _settle_in(order)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
                return True
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
        else:
            try:
                pid = _execute(order)
            except (OSError, subprocess.SubprocessError) as error:
                self._tell_not_started(order, error)
                return False
        self.children[pid] = Child(order["name"], pid, order["engine"], order["stop"])
        self._tell(**{"is": "started", "name": order["name"], "pid": pid})
        return False

    def _tell_not_started(self, order: dict[str, Any], error: Exception) -> None:
        with suppress(OSError), open(_open_log(order["log"]), "a") as log:
            log.write(f"{order['name']} could not be started: {error}\n")
        self._tell(**{"is": "exited", "name": order["name"], "pid": None, "status": os.EX_OSERR})

    def _signal(self, name: str, signum: int, *, group: bool) -> None:
        for child in self.children.values():
            if child.name == name:
                with suppress(ProcessLookupError):
                    (os.killpg if group else os.kill)(child.pid, signum)

    def _report_exits(self) -> None:
        for pid, status in _exits():
            # Also ends the processes that the child forked and left behind.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            child = self.children.pop(pid, None)
            if child:
                self._tell(**{"is": "exited", "name": child.name, "pid": pid, "status": status})

    def _stop_all(self) -> None:
        self._stop([child for child in self.children.values() if not child.engine], SERVICE_GRACE_S)
        self._stop(list(self.children.values()), ENGINE_GRACE_S)

    def _stop(self, children: list[Child], grace_s: float) -> None:
        pids = {child.pid for child in children}
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child.pid, child.stop_signal)
        deadline = time.monotonic() + grace_s
        while pids & set(self.children) and time.monotonic() < deadline:
            self._report_exits()
            time.sleep(0.02)
        for pid in pids & set(self.children):
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        self._report_exits()


def _wake_on_child_exit() -> tuple[socket.socket, socket.socket]:
    """A socket that becomes readable at a signal, and the socket that the kernel writes signals to."""
    receiving, sending = socket.socketpair()
    receiving.setblocking(False)
    sending.setblocking(False)
    signal.set_wakeup_fd(sending.fileno())
    # The supervisor answers a Ctrl-C in the terminal. Handlers that do nothing, and
    # not SIG_IGN, which the programs started here would inherit.
    for signum in {signal.SIGCHLD} | _STOP_SIGNALS:
        signal.signal(signum, lambda *_: None)
    return receiving, sending


def _exits() -> Iterator[tuple[int, int]]:
    """The children that have ended since the last call: process id, and exit code or minus the signal."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def _open_log(path: str) -> int:
    """Open the log to append. Where it cannot be opened, the output is dropped: running matters more."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)  # the folder may have been deleted
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)


def _settle_in(order: dict[str, Any]) -> None:
    """Give a fresh fork the state of a freshly started program."""
    for signum in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    kernel.die_with_parent(signal.SIGTERM)
    nothing, log = os.open(os.devnull, os.O_RDONLY), _open_log(order["log"])
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.environ.update(order["env"])
    sys.argv = [_manage(), *order["argv"]]


def _execute(order: dict[str, Any]) -> int:
    argv = list(order["argv"])
    if order["python"]:
        argv = [sys.executable, _manage(), *argv]
    account = order["account"] or {}

    def prepare() -> None:
        kernel.die_with_parent(order["stop"])

    with open(_open_log(order["log"]), "ab") as log:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=os.environ | order["env"],
            cwd=None if order["python"] else "/",
            start_new_session=True,
            # Safe here: one thread. It runs after the change of account, which would undo it.
            preexec_fn=prepare if kernel.LINUX else None,
            **account,
        )
    # _exits reaps it; the object must not wait for it, too.
    process.returncode = 0
    return process.pid


def _manage() -> str:
    return str(conf.root() / "manage.py")


def main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    process_title.show("keeper")
    kernel.adopt_orphans()
    is_child = Keeper(connection, forks=sys.argv[2] == "fork").run()
    if is_child:
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()

"""Starts the edge processes, feeds them with routing tables, and replaces those that die."""

import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from atoll import conf
from gateway.edge.metrics import merged, render

log = logging.getLogger(__name__)

Message = dict[str, Any]
READY_TIMEOUT_S = 30.0
FIGURES_TIMEOUT_S = 1.0
STABLE_S = 5.0
PAUSE_S = 1.0
DRAIN_GRACE_S = 30.0


class EdgeProcess:
    """One child with its line. ``on_message`` and ``on_end`` are called in a thread of this child."""

    def __init__(
        self,
        number: int,
        of: int,
        listeners: list[socket.socket],
        environment: dict[str, str],
        on_message: Callable[["EdgeProcess", Message], None],
        on_end: Callable[["EdgeProcess"], None],
    ) -> None:
        self.number = number
        self.started = time.monotonic()
        self.ready = threading.Event()
        ours, theirs = socket.socketpair()
        descriptors = [listener.fileno() for listener in listeners]
        self._line = ours
        self._sending = threading.Lock()
        self.process = subprocess.Popen(  # our own program
            [
                *(sys.executable, "-m", "gateway.edge", "--number", str(number), "--of", str(of)),
                *("--listen", ",".join(map(str, descriptors)), "--feed", str(theirs.fileno())),
            ],
            env=environment,
            pass_fds=(*descriptors, theirs.fileno()),
            process_group=0,  # Ctrl-C in a terminal reaches only the parent, which drains first
        )
        theirs.close()
        self._reader = threading.Thread(
            target=self._read, args=(on_message, on_end), name=f"edge-{number}", daemon=True
        )
        self._reader.start()

    def send(self, message: Message) -> None:
        """Does nothing when the process has gone."""
        data = json.dumps(message).encode() + b"\n"
        try:
            with self._sending:
                self._line.sendall(data)
        except OSError as error:
            log.debug("edge %d takes no messages: %s", self.number, error)

    def _read(
        self, on_message: Callable[["EdgeProcess", Message], None], on_end: Callable[["EdgeProcess"], None]
    ) -> None:
        with self._line.makefile("rb") as lines:
            try:
                for line in lines:
                    message = json.loads(line)
                    if message["type"] == "ready":
                        self.ready.set()
                    else:
                        on_message(self, message)
            except OSError as error:
                log.debug("edge %d: %s", self.number, error)
        self.process.wait()
        on_end(self)


class EdgeProcesses:
    """``listeners`` stay open here for ever, so connections wait while a process is replaced.

    ``store`` gets samples of the request log, as lists of fields, and ``note_keys`` when API keys were used
    last (seconds since 1970 by id). Both are called in threads of the children.
    """

    def __init__(
        self,
        count: int,
        listeners: list[socket.socket],
        *,
        variables: dict[str, str],
        store: Callable[[list[list[Any]]], None],
        note_keys: Callable[[dict[str, float]], None],
    ) -> None:
        self._shares = [listeners[index::count] for index in range(count)]
        self._environment = _environment() | variables
        self._store = store
        self._note_keys = note_keys
        self._started = False
        self._edges: dict[int, EdgeProcess] = {}
        self._table: Message | None = None
        self._health: dict[str, Message] = {}
        self._stopping = False
        self._lock = threading.Lock()
        self._figures: dict[int, list[dict[str, Any]]] = {}
        self._changed = threading.Condition()
        self._numbers = 0

    def start(self) -> None:
        """Raises RuntimeError unless all processes are ready within READY_TIMEOUT_S."""
        for number in range(1, len(self._shares) + 1):
            self._start(number)
        for edge in list(self._edges.values()):
            while not edge.ready.wait(0.05):
                if edge.process.poll() is not None or time.monotonic() - edge.started > READY_TIMEOUT_S:
                    raise RuntimeError(f"edge process {edge.number} did not start; its log says why")
        self._started = True

    def publish(self, document: dict[str, Any]) -> None:
        """Give a routing table to all processes, and to processes that start later."""
        with self._lock:
            self._table = {"type": "table", "document": document}
            edges = list(self._edges.values())
        for edge in edges:
            edge.send({"type": "table", "document": document})

    def reload(self) -> None:
        """Let all processes read their certificate again."""
        for edge in list(self._edges.values()):
            edge.send({"type": "reload"})

    def drain(self, grace_s: float = DRAIN_GRACE_S) -> None:
        """Return when all processes have ended: each answers its last requests first.

        The listening sockets close here at once. A successor has its own descriptors of them.
        """
        self._stopping = True
        edges = list(self._edges.values())
        for edge in edges:
            edge.send({"type": "drain", "grace_s": grace_s})
        for share in self._shares:
            for listener in share:
                listener.close()
        end = time.monotonic() + grace_s + 5
        for edge in edges:
            try:
                edge.process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                edge.process.kill()

    def kill(self) -> None:
        self._stopping = True
        for edge in list(self._edges.values()):
            if edge.process.poll() is None:
                edge.process.kill()

    def metrics(self) -> str:
        """The metrics of all processes together."""
        return render(merged(self.states())).decode()

    def states(self) -> list[dict[str, Any]]:
        """The figures of each process that answers within FIGURES_TIMEOUT_S."""
        edges = list(self._edges.values())
        with self._changed:
            self._numbers += 1
            number = self._numbers
            self._figures[number] = []
        for edge in edges:
            edge.send({"type": "figures", "id": number})
        with self._changed:
            self._changed.wait_for(lambda: len(self._figures[number]) >= len(edges), FIGURES_TIMEOUT_S)
            return self._figures.pop(number)

    def _start(self, number: int) -> None:
        share, count = self._shares[number - 1], len(self._shares)
        edge = EdgeProcess(number, count, share, self._environment, self._hear, self._replace)
        with self._lock:
            self._edges[number] = edge
            known = [*([self._table] if self._table is not None else ()), *self._health.values()]
        for message in known:
            edge.send(message)

    def _hear(self, edge: EdgeProcess, message: Message) -> None:
        match message["type"]:
            case "entries":
                self._store(message["entries"])
            case "keys_used":
                self._note_keys(message["used"])
            case "health":
                self._pass_on(edge, message)
            case "figures":
                with self._changed:
                    if message["id"] in self._figures:
                        self._figures[message["id"]].append(message["state"])
                        self._changed.notify_all()
            case "scrape":
                threading.Thread(target=self._scrape, args=(edge, message["id"]), daemon=True).start()

    def _pass_on(self, sender: EdgeProcess, message: Message) -> None:
        """Give the health of a service's instances to the other processes, also to later ones."""
        with self._lock:
            self._health[message["service"]] = message
            others = [edge for edge in self._edges.values() if edge is not sender]
        for edge in others:
            edge.send(message)

    def _scrape(self, edge: EdgeProcess, number: int) -> None:
        edge.send({"type": "scraped", "id": number, "text": self.metrics()})

    def _replace(self, edge: EdgeProcess) -> None:
        if self._stopping or not self._started:
            return
        log.error(
            "edge process %d ended with %s, another takes its place", edge.number, edge.process.returncode
        )
        if time.monotonic() - edge.started < STABLE_S:
            time.sleep(PAUSE_S)
        if not self._stopping:
            self._start(edge.number)


def _environment() -> dict[str, str]:
    root = conf.root()
    paths = [str(root), str(root / "platform"), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}

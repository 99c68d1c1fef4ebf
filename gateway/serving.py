"""``gateway serve``: edge processes for clients, one control process for the admin, one parent.

The parent hears of new routing tables, stores the request log, registers the gateway, and drains:
SIGTERM -> draining, deregistered -> a moment of grace -> each edge answers its last requests -> exit 0.
"""

import logging
import os
import queue
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings

from atoll import conf, tracing
from atoll.postgresql import bound, budget
from atoll.server import lifecycle, listening
from atoll.server.announcement import Announcement
from atoll.server.http_server import HTTPServer
from atoll.server.identity import describe, instance_id
from atoll.server.registration import Registration
from atoll.server.serving import reachable, share_memory_with_workers
from gateway import recording
from gateway.edge.http.server import BACKLOG
from gateway.edge.request_log import Entry
from gateway.edge_processes import EdgeProcesses
from gateway.handover import Handover, NobodyToFollow, Predecessor
from gateway.publications import Publications

log = logging.getLogger(__name__)

TARGET = "gateway.wsgi:application"
MAX_BATCHES = 200


@dataclass(frozen=True)
class Places:
    """Where the gateway listens: for clients, and for its admin."""

    host: str
    port: int
    control_host: str
    control_port: int


class Recorder:
    """Stores samples of the request log, and uses of API keys, in one thread, which keeps its database
    connection."""

    def __init__(self) -> None:
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue(MAX_BATCHES)
        self._thread = threading.Thread(target=self._run, name="request-log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        try:
            self._jobs.put(None, timeout=1)
        except queue.Full:
            return
        self._thread.join(timeout=2)

    def take(self, rows: list[list[Any]]) -> None:
        """Drops the rows when the database cannot keep up."""
        try:
            self._jobs.put_nowait(partial(recording.store, [Entry(*row) for row in rows]))
        except queue.Full:
            log.warning("the request log drops %d rows, the database does not keep up", len(rows))

    def note_keys(self, used: dict[str, float]) -> None:
        """Drops them when the database cannot keep up."""
        try:
            self._jobs.put_nowait(partial(recording.note_keys, used))
        except queue.Full:
            log.warning("the use of %d API keys is not noted, the database does not keep up", len(used))

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                job()
            except Exception as error:  # the thread must outlive any error of the database
                log.warning("the request log cannot be stored: %s", error)


def serve(places: Places, *, edges: int, threads: int, advertise: str | None, follow: bool) -> None:
    """Serve until SIGTERM or SIGINT. ``follow`` takes over the port of the running gateway.

    Raises PortBusy, NobodyToFollow and RuntimeError (an edge process does not start).
    """
    project = conf.project(settings.ATOLL_PROJECT)
    bound.hold_to(budget.web(project.name, threads))
    if problem := budget.server_shortage(project.name, settings.DATABASES["default"]):
        log.warning("too few database connections: %s", problem)
    tracing.start(tracing.Origin(project.name, project.service, instance_id(project.service), "control"))
    predecessor = Predecessor(places.port) if follow else None
    listeners = predecessor.listeners if predecessor is not None else _listen(places, edges)
    port: int = listeners[0].getsockname()[1]
    control = listening.listen(places.control_host, places.control_port)
    control_address = f"http://{reachable(places.control_host)}:{control.getsockname()[1]}"
    registration = Registration(
        project.name,
        listening.advertised_host(places.host, advertise),
        port,
        describe(project.name),
        on_status=lambda status: announcement.follow(status),
    )
    announcement = Announcement(
        registration, reachable(places.host), port, tls=bool(conf.variable("TLS_CERTIFICATE", project.name))
    )
    state_file = lifecycle.create()
    lifeline = os.pipe()
    hurry = threading.Event()
    recorder = Recorder()
    processes = EdgeProcesses(
        edges,
        listeners,
        variables={"GATEWAY_CONTROL_URL": control_address},
        store=recorder.take,
        note_keys=recorder.note_keys,
    )
    publications = Publications(processes.publish)

    def withdraw_then_stop() -> None:
        announcement.withdraw(hurry)
        processes.drain()
        server.stop()

    def interrupted() -> None:
        if withdrawal.ident is None:
            withdrawal.start()
        else:
            hurry.set()

    withdrawal = threading.Thread(target=withdraw_then_stop, name="withdrawal", daemon=True)
    handover = Handover(port, listeners, interrupted)

    def spawned() -> None:
        """Runs when the control process has been forked: threads may start now."""
        recorder.start()
        publications.start()
        threading.Thread(target=start_edges, name="start-edges", daemon=True).start()

    failures: list[Exception] = []

    def start_edges() -> None:
        try:
            processes.start()
        except Exception as error:
            failures.append(error)
            server.stop()
            return
        announcement.start()
        if predecessor is not None:
            predecessor.release()
        handover.start()

    share_memory_with_workers(TARGET)
    server = HTTPServer(
        TARGET,
        control,
        title=(project.name, "serve"),
        is_asgi=False,
        workers=1,
        threads=threads,
        lifeline=lifeline,
        on_spawned=spawned,
        on_interrupt=interrupted,
        on_hangup=processes.reload,
    )
    try:
        server.run()
    finally:
        handover.close()
        registration.stop()
        processes.kill()
        publications.stop()
        recorder.stop()
        state_file.unlink(missing_ok=True)
    if failures:
        raise failures[0]


def _listen(places: Places, edges: int) -> list[socket.socket]:
    """One socket for each edge process, all with the same port (SO_REUSEPORT): the kernel spreads new
    connections over them."""
    if edges == 1:
        return [listening.listen(places.host, places.port, backlog=BACKLOG)]
    first = listening.listen(places.host, places.port, backlog=BACKLOG, shared=True)
    port = first.getsockname()[1]
    others = [listening.listen(places.host, port, backlog=BACKLOG, shared=True) for _ in range(edges - 1)]
    return [first, *others]


__all__ = ["NobodyToFollow", "Places", "serve"]

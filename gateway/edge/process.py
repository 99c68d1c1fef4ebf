"""One edge process: serves clients on sockets of its parent until it is told to drain.

``python -m gateway.edge --number N --of COUNT --listen FD[,FD] --feed FD``. `gateway.edge_processes` starts
it. It imports no settings of Django and asks no database. It ends when its parent ends.
"""

import argparse
import asyncio
import contextlib
import gc
import logging
import logging.config
import os
import resource
import signal
import socket
import sys

import uvloop

from atoll import conf, process_title, tracing
from atoll.logs import logging_config
from atoll.server import log_level
from atoll.server.identity import instance_id
from gateway.edge.app import Edge
from gateway.edge.composition import Components, Place
from gateway.edge.config import PROJECT, EdgeConfig
from gateway.edge.feed import Feed, Message
from gateway.edge.http.server import Server
from gateway.edge.http.tls import TLS
from gateway.edge.request_log import RequestLog

log = logging.getLogger(__name__)

# A busy thread may hold the interpreter so long when the event loop has released it for a socket.
# Python's 5 ms would be most of a request.
SWITCH_INTERVAL_S = 0.001
PATIENCE_S = 1.0
GRACE_S = 30.0
KEY_USE_EVERY_S = 10.0
# Requests make no cycles that matter, so few collections of the youngest objects are enough.
GC_THRESHOLD = 50_000


class EdgeProcess:
    def __init__(self, place: Place, listeners: list[socket.socket], feed: socket.socket) -> None:
        self._place = place
        self._listeners = listeners
        self._feed_socket = feed
        self._drain_grace_s: float | None = None

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        config = EdgeConfig.from_environment()
        tls = TLS(config.tls_certificate, config.tls_key) if config.tls_certificate else None
        self._tls = tls
        self._stopping = asyncio.Event()
        feed = self._feed = Feed(loop, self._hear, self._stopping.set)
        self._components = Components(
            config,
            RequestLog(feed.store, origin=_origin(config)),
            place=self._place,
            tell_health=self._tell_health if self._place.of > 1 else None,
        )
        self._components.start()
        await loop.create_connection(lambda: feed, sock=self._feed_socket)
        server = Server(self._components.door, Edge(self._components, feed.scrape).serve, loop)
        await server.listen(self._listeners, tls)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 20, 20)
        feed.send({"type": "ready"})
        tasks = [loop.create_task(self._tell_key_use()), loop.create_task(_follow_log_level())]
        if tls is not None:
            tasks.append(loop.create_task(tls.keep_fresh()))
        await self._stopping.wait()
        server.stop_listening()
        await server.drain(
            GRACE_S if self._drain_grace_s is None else self._drain_grace_s, patience_s=PATIENCE_S
        )
        for task in tasks:
            task.cancel()
        self._send_key_use()
        await self._components.stop()

    def _tell_health(self, service: str, unhealthy: list[str]) -> None:
        self._feed.send_if_possible({"type": "health", "service": service, "unhealthy": unhealthy})

    async def _tell_key_use(self) -> None:
        while True:
            await asyncio.sleep(KEY_USE_EVERY_S)
            self._send_key_use()

    def _send_key_use(self) -> None:
        used = self._components.authenticator.api_keys.take_used()
        if not used:
            return
        try:
            self._feed.send({"type": "keys_used", "used": used})
        except OSError as error:
            log.warning("the use of %d API keys is not noted: %s", len(used), error)

    def _hear(self, message: Message) -> None:
        match message["type"]:
            case "table":
                self._components.tables.publish(message["document"])
            case "health":
                self._components.health_checks.hear(message["service"], message["unhealthy"])
            case "drain":
                self._drain_grace_s = message["grace_s"]
                self._stopping.set()
            case "figures":
                state = self._components.metrics.state()
                self._feed.send({"type": "figures", "id": message["id"], "state": state})
            case "reload":
                if self._tls is not None:
                    self._tls.reload()


async def _follow_log_level() -> None:
    while True:
        await asyncio.sleep(log_level.FOLLOW_EVERY_S)
        log_level.follow()


def _origin(config: EdgeConfig) -> dict[str, str] | None:
    if not config.access_log:
        return None
    service = conf.project(PROJECT).service
    return {"service": service, "instance": instance_id(service), "process": "edge"}


def _raise_file_limit() -> None:
    """Each connection is a file. The default of 1,024 would be the gateway's limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--number", type=int, required=True)
    parser.add_argument("--of", type=int, required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--feed", type=int, required=True)
    given = parser.parse_args()
    os.environ["ATOLL_PROCESS"] = "edge"
    project = conf.project(PROJECT)
    logging.config.dictConfig(logging_config(project.name, project.service))
    process_title.show(project.name, "edge", str(given.number))
    tracing.start(tracing.Origin(project.name, project.service, instance_id(project.service), "edge"))
    _raise_file_limit()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    listeners = [socket.socket(fileno=int(text)) for text in given.listen.split(",")]
    for listener in listeners:
        listener.setblocking(False)
    edge = EdgeProcess(Place(given.number, given.of), listeners, socket.socket(fileno=given.feed))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(edge.run())

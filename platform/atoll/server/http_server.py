"""Granian with one listening socket, forked workers, and a stop that first calls back."""

import socket
from collections.abc import Callable
from functools import partial
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from atoll import process_title
from atoll.server import listening, worker_process
from atoll.server.main_thread import Interruptible

# Also the longest time that a connection may be idle. Clients must close theirs earlier
# (atoll.client.transport.IDLE_S). A request head that is not complete after it is cut off.
HEADER_READ_TIMEOUT_S = 30
MAX_HEAD_BYTES = 64 * 1024
WORKER_KILL_TIMEOUT_S = 4
THREADS_IDLE_TIMEOUT_S = 60
# For an ASGI server, where most connections only wait. A WSGI server has Granian's own limit.
MAX_ASGI_CONNECTIONS = 8192
LOGGING = {"incremental": True, "handlers": {}, "loggers": {"_granian": {}}}


class HTTPServer(MPServer):
    """Serves ``target`` on ``listener`` until `stop`.

    ``on_spawned`` runs when the first workers exist. ``on_interrupt`` runs in the main thread on SIGTERM
    or SIGINT and decides when to call `stop`. ``on_hangup`` runs there on SIGHUP; without it, Granian starts
    its workers anew. A worker that dies is replaced. A replacement that dies
    at once ends the server with exit code 1.
    ``title`` is the process title; workers add ``child`` and their number.
    """

    _shd: Any
    _sso: Any
    _sfd: Any

    def __init__(
        self,
        target: str,
        listener: socket.socket,
        *,
        title: tuple[str, ...],
        is_asgi: bool,
        workers: int,
        threads: int,
        lifeline: tuple[int, int],
        on_spawned: Callable[[], None],
        on_interrupt: Callable[[], None],
        on_hangup: Callable[[], None] | None = None,
    ) -> None:
        host, port = listener.getsockname()[:2]
        super().__init__(
            target,
            process_name=process_title.of(*title),
            address=host,
            port=port,
            interface=Interfaces.ASGI if is_asgi else Interfaces.WSGI,
            workers=workers,
            backpressure=MAX_ASGI_CONNECTIONS if is_asgi else None,
            blocking_threads=1 if is_asgi else threads,
            blocking_threads_idle_timeout=THREADS_IDLE_TIMEOUT_S,
            loop=Loops.auto if is_asgi else Loops.asyncio,
            http=HTTPModes.http1,
            websockets=False,
            http1_settings=HTTP1Settings(
                header_read_timeout=HEADER_READ_TIMEOUT_S * 1000, max_buffer_size=MAX_HEAD_BYTES
            ),
            log_level=LogLevels.error,
            log_dictconfig=LOGGING,
            respawn_failed_workers=True,
            workers_kill_timeout=WORKER_KILL_TIMEOUT_S,
        )
        self.main_loop_interrupt = Interruptible()
        self._title = title
        self._listener = listener
        self._lifeline = lifeline
        self._on_spawned = on_spawned
        self._on_interrupt = on_interrupt
        self._on_hangup = on_hangup

    def run(self) -> None:
        """Block the main thread. Raises SystemExit(1) when workers keep dying."""
        self.serve(target_loader=partial(worker_process.enter, lifeline=self._lifeline))

    def stop(self) -> None:
        """Accept no more connections, and let running requests finish. May be called from any thread."""
        self.interrupt_signal = True
        self.main_loop_interrupt.set()

    def signal_handler_interrupt(self, *_: Any) -> None:
        self._on_interrupt()

    def signal_handler_reload(self, *args: Any, **kwargs: Any) -> None:
        if self._on_hangup is not None:
            self._on_hangup()
        else:
            super().signal_handler_reload(*args, **kwargs)  # type: ignore[no-untyped-call]

    def _init_shared_socket(self) -> None:
        holder: Any = SocketHolder  # its published types lack the arguments
        self._shd = holder(self._listener.fileno(), False, listening.BACKLOG)
        self._sso = self._listener
        self._sfd = self._listener.fileno()
        self._ssp = None

    def _spawn_workers(self, *args: Any) -> None:
        process_title.show(*self._title)
        super()._spawn_workers(*args)  # type: ignore[no-untyped-call]
        self._on_spawned()

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Any, *rest: Any) -> Any:
        title = (*self._title, "child", str(idx + 1))
        return super()._spawn_worker(idx, target, partial(callback_loader, title=title), *rest)

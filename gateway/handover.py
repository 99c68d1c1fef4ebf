"""Hands the listening sockets of a running gateway to its successor, so that no connection is refused.

The successor connects to a Unix socket of the running gateway and gets the open sockets (SCM_RIGHTS).
Both serve for a moment. When the successor says that it is ready, the predecessor drains.
"""

import json
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from atoll import conf

log = logging.getLogger(__name__)

TIMEOUT_S = 60.0
MAX_SOCKETS = 64
READY = b"ready\n"


class NobodyToFollow(Exception):
    """No gateway that hands over listens at this port."""


def path(port: int) -> Path:
    return conf.home() / "run" / f"gateway-{port}.sock"


class Handover:
    """Waits for a successor. ``on_successor`` is called once, when the successor is ready."""

    def __init__(self, port: int, listeners: list[socket.socket], on_successor: Callable[[], None]) -> None:
        self._path = path(port)
        self._listeners = listeners
        self._on_successor = on_successor
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._inode = 0

    def start(self) -> None:
        """Raises OSError where the socket cannot be made."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self._path.with_suffix(f".{os.getpid()}")
        with suppress(FileNotFoundError):
            fresh.unlink()
        self._socket.bind(str(fresh))
        fresh.chmod(0o600)
        fresh.replace(self._path)
        self._inode = self._path.stat().st_ino
        self._socket.listen(1)
        threading.Thread(target=self._serve, name="handover", daemon=True).start()

    def close(self) -> None:
        self._socket.close()
        with suppress(OSError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            with line:
                line.settimeout(TIMEOUT_S)
                try:
                    if self._hand_over(line):
                        self._on_successor()
                        return
                except OSError as error:
                    log.warning("a successor did not take over: %s", error)

    def _hand_over(self, line: socket.socket) -> bool:
        user = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
        if user != os.getuid():
            log.warning("a process of the user %d asked for the gateway's sockets", user)
            return False
        descriptors = [listener.fileno() for listener in self._listeners]
        socket.send_fds(line, [json.dumps({"pid": os.getpid()}).encode() + b"\n"], descriptors)
        return line.recv(len(READY)) == READY


class Predecessor:
    """The gateway that runs at ``port``. ``listeners`` are its open sockets. Raises NobodyToFollow."""

    def __init__(self, port: int) -> None:
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._line.settimeout(TIMEOUT_S)
        try:
            self._line.connect(str(path(port)))
            _, descriptors, _, _ = socket.recv_fds(self._line, 1024, MAX_SOCKETS)
        except OSError as error:
            self._line.close()
            raise NobodyToFollow(f"no running gateway hands over port {port} ({error})") from None
        if not descriptors:
            raise NobodyToFollow(f"the gateway at port {port} hands over nothing")
        self.listeners = [socket.socket(fileno=descriptor) for descriptor in descriptors]

    def release(self) -> None:
        """Say that this process serves now."""
        with suppress(OSError):
            self._line.sendall(READY)
        self._line.close()

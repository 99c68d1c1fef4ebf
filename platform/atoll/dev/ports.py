"""Loopback ports: finds a free one, and names the holder of a taken one."""

import random
import socket

import psutil

LOOPBACK = "127.0.0.1"
# Below the ports of outgoing connections: one of these could take a port after it was found free and
# before its server starts.
CANDIDATES = range(20_000, 32_000)


def free() -> int:
    """A loopback TCP port without a listener at this moment. Raises OSError when there is none."""
    for port in random.sample(CANDIDATES, len(CANDIDATES)):
        if is_free(port):
            return port
    raise OSError(f"Every port from {CANDIDATES.start} to {CANDIDATES.stop - 1} is taken.")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Binds like a server: connections of an earlier run in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def answers(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Whether a process accepts TCP connections there."""
    try:
        socket.create_connection((host, port), timeout=timeout_s).close()
    except OSError:
        return False
    return True


def holder(port: int) -> str:
    """The process that listens on ``port``, in words. Processes of other users may be invisible."""
    for process in psutil.process_iter(["pid", "cmdline"]):
        try:
            listening = any(
                connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
                for connection in process.net_connections(kind="tcp")
            )
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        if listening:
            command = " ".join(process.info["cmdline"] or ["?"]).strip()
            return f"process {process.info['pid']} ({command[:80]})"
    return "a process that this user cannot see"

"""Loopback ports: free ones to take, and who sits on a taken one."""

import random
import socket

import psutil

LOOPBACK = "127.0.0.1"
# Below the ports that systems give to outgoing connections, one of which could take a port between
# the moment it was found free and the moment its server starts.
CANDIDATES = range(20_000, 32_000)


def free() -> int:
    """A loopback TCP port that nobody listens on at this moment; raises OSError when there is none."""
    for port in random.sample(CANDIDATES, len(CANDIDATES)):
        if is_free(port):
            return port
    raise OSError(f"Every port from {CANDIDATES.start} to {CANDIDATES.stop - 1} is taken.")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As a server binds: connections of an earlier run in TIME_WAIT do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def answers(host: str, port: int, timeout_s: float = 1.0) -> bool:
    """Does anything accept TCP connections there?"""
    try:
        socket.create_connection((host, port), timeout=timeout_s).close()
    except OSError:
        return False
    return True


def holder(port: int) -> str:
    """Who listens on ``port``, in words; other users' processes may not be visible to us."""
    for process in psutil.process_iter(["pid", "cmdline"]):
        try:
            listening = any(
                connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
                for connection in process.net_connections(kind="tcp")
            )
        except (psutil.AccessDenied, psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
        if listening:
            command = " ".join(process.info["cmdline"] or ["?"])
            return f"process {process.info['pid']} ({command[:80]})"
    return "a process that this user cannot see"

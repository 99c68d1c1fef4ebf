"""Closing the network connections that a child of a prefork pool inherits."""

import os
import socket
from contextlib import suppress
from pathlib import Path

# On Linux. Without it the sockets stay open, and only cost resources of the servers.
DESCRIPTORS = Path("/proc/self/fd")

# The descriptors below this are standard input, output and error.
FIRST = 3


def close_inherited_sockets() -> None:
    """Close this process's copies of network connections.

    A connection that the parent closes would otherwise stay open here: PostgreSQL would keep a session
    that no process uses, and its claims. Each descriptor is replaced by one of /dev/null, since the objects
    that hold its number may still close it.
    """
    with suppress(FileNotFoundError), Path(os.devnull).open("rb") as nothing:
        for descriptor in sorted(int(entry.name) for entry in DESCRIPTORS.iterdir()):
            with suppress(OSError):
                if descriptor >= FIRST and _is_connection(descriptor):
                    os.dup2(nothing.fileno(), descriptor, inheritable=False)


def _is_connection(descriptor: int) -> bool:
    """Whether the descriptor is a network connection; a socket pair has no peer name.

    Raises OSError when it is no socket, or not connected.
    """
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        return bool(copy.getpeername()) and copy.type == socket.SOCK_STREAM

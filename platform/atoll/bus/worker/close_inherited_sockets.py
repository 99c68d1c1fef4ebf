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
    """Close this process's copies of network connections and of the ports that the parent listens at.

    A connection that the parent closes would otherwise stay open here: PostgreSQL would keep a session
    that no process uses, and its claims. A port would stay taken after the parent's end. Each descriptor is
    replaced by one of /dev/null, since the objects that hold its number may still close it.
    """
    with suppress(FileNotFoundError), Path(os.devnull).open("rb") as nothing:
        for descriptor in sorted(int(entry.name) for entry in DESCRIPTORS.iterdir()):
            with suppress(OSError):
                if descriptor >= FIRST and _is_network(descriptor):
                    os.dup2(nothing.fileno(), descriptor, inheritable=False)


def _is_network(descriptor: int) -> bool:
    """Whether the descriptor is a network connection or listens for them; a socket pair has no peer name.

    Raises OSError when it is no socket, or neither connected nor listening.
    """
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        if copy.type != socket.SOCK_STREAM:
            return False
        if copy.family != socket.AF_UNIX and copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return True
        return bool(copy.getpeername())

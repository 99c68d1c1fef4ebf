"""What a child of a prefork pool inherited and must not keep."""

import os
import socket
from contextlib import suppress
from pathlib import Path

# On Linux; where it is missing the sockets stay open, and only cost the servers' time.
DESCRIPTORS = Path("/proc/self/fd")


STANDARD = 3


def let_go_of_sockets() -> None:
    """Close this process's copies of network connections.

    A connection that the parent gives up would otherwise live on here: the database would
    believe in a session that nobody uses, and in its claims. Each number is put to another
    use, since the objects that hold it may still close it.
    """
    with suppress(FileNotFoundError), Path(os.devnull).open("rb") as nothing:
        for descriptor in sorted(int(entry.name) for entry in DESCRIPTORS.iterdir()):
            with suppress(OSError):
                if descriptor >= STANDARD and _is_connection(descriptor):
                    os.dup2(nothing.fileno(), descriptor, inheritable=False)


def _is_connection(descriptor: int) -> bool:
    """Raises OSError for what is no socket, or not connected. A pair of our own has no name."""
    with socket.socket(fileno=os.dup(descriptor)) as copy:
        return bool(copy.getpeername()) and copy.type == socket.SOCK_STREAM

"""The listening socket of a server, and the address that the server registers."""

import errno
import socket
from urllib.parse import urlsplit

from atoll import conf

BACKLOG = 1024


class PortBusy(Exception):
    """Another program listens at this port."""


def listen(host: str, port: int, *, backlog: int = BACKLOG, shared: bool = False) -> socket.socket:
    """Return a listening socket that child processes inherit. Port 0 takes a free port.

    ``shared``: several sockets of this user may listen at the port, and share its connections.

    All workers accept connections from this socket. So a connection that arrives while a worker is
    replaced waits and is not refused. Raises PortBusy, or OSError for a host that this machine does not
    have.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Accepted sockets inherit it. The head and the body of an answer are sent apart. Without it the
        # body of every answer but the first waits 40 ms for the client's delayed ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.bind((host, port))
        listener.listen(backlog)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortBusy(f"{host}:{port} is used by another program") from error
        raise
    listener.set_inheritable(True)
    return listener


def advertised_host(bound: str, advertise: str | None) -> str:
    """The host to register: ``advertise`` if given, else the bound host. A server that is bound to every
    interface registers the address from which this machine reaches the registry."""
    if advertise:
        return advertise
    if bound not in {"0.0.0.0", "::", ""}:  # noqa: S104
        return bound
    registry = urlsplit(conf.registry_url())
    target = (registry.hostname or "127.0.0.1", registry.port or 80)
    family, kind, protocol, _, address = socket.getaddrinfo(*target, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.connect(address)  # a datagram socket: nothing is sent
        return str(probe.getsockname()[0])

"""The address of the client of a request, as the edge sees it.

A service trusts proxies on its own machine. The edge is the first process that a client meets, so it
trusts only the proxies that TRUSTED_PROXIES names.
"""

from atoll.addresses import Network, nearest_untrusted, read


def client(peer: str, forwarded_for: bytes | None, trusted: tuple[Network, ...]) -> str:
    """The nearest address that no trusted proxy owns; ``peer`` where no proxy is trusted."""
    address = read(peer)
    if address is None or not trusted or not forwarded_for:
        return peer
    return str(nearest_untrusted(address, forwarded_for.decode("latin-1"), trusted))

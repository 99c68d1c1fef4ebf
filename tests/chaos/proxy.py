"""A TCP proxy that can cut, stall, slow or half-close the connections between a program and its server."""

import asyncio
from dataclasses import dataclass, field

UP, DOWN = "up", "down"
PAUSE_AT_BYTES = 1 << 20


@dataclass
class Conditions:
    """The proxy's current treatment of bytes. ``stalled`` holds directions: ``up`` is towards the server."""

    refusing: bool = False
    stalled: set[str] = field(default_factory=set)
    delay_s: float = 0.0


class Proxy:
    """Forwards a loopback port to another port. Call all methods on the proxy's event loop."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self._target_port = target_port
        self._conditions = Conditions()
        self._sides: set[_Side] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen on a free port and set ``port``."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Side(self, UP), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        if self._server:
            self._server.close()
        self.cut()

    def cut(self) -> None:
        """Break every connection; accept new connections unless ``refuse``."""
        for side in list(self._sides):
            side.abort()

    def refuse(self) -> None:
        """Break every connection and refuse new connections until ``restore``."""
        self._conditions.refusing = True
        self.cut()

    def stall(self, *directions: str) -> None:
        """Hold back the bytes of the directions without closing a connection, as a dead network does."""
        self._conditions.stalled |= set(directions or (UP, DOWN))
        for side in list(self._sides):
            side.apply(self._conditions)

    def slow(self, delay_s: float) -> None:
        """Delay every piece of data."""
        self._conditions.delay_s = delay_s

    def restore(self, *, cut: bool) -> None:
        """End all faults of the proxy. With ``cut``, break the connections and lose the held back bytes."""
        self._conditions = Conditions()
        if cut:
            self.cut()
        for side in list(self._sides):
            if side.is_forsaken:
                side.abort()
            side.apply(self._conditions)

    @property
    def conditions(self) -> Conditions:
        return self._conditions

    def joined(self, side: "_Side") -> None:
        self._sides.add(side)

    def left(self, side: "_Side") -> None:
        self._sides.discard(side)

    async def connect(self, client: "_Side") -> "_Side":
        loop = asyncio.get_running_loop()
        _, side = await loop.create_connection(lambda: _Side(self, DOWN), "127.0.0.1", self._target_port)
        side.peer, client.peer = client, side
        return side


class _Side(asyncio.Protocol):
    """One end of a connection pair. It sends its received bytes in ``direction``."""

    def __init__(self, proxy: Proxy, direction: str) -> None:
        self._proxy = proxy
        self._direction = direction
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] = []
        self.peer: _Side | None = None
        # The other end closed its connection while the network was dead.
        self.is_forsaken = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._proxy.joined(self)
        if self._proxy.conditions.refusing:
            transport.abort()
            return
        if self._direction == UP:
            asyncio.get_running_loop().create_task(self._connect())
        self.apply(self._proxy.conditions)

    async def _connect(self) -> None:
        try:
            peer = await self._proxy.connect(self)
        except OSError:
            self.abort()
            return
        for piece in self._early:
            peer.write(piece)
        self._early.clear()

    def apply(self, conditions: Conditions) -> None:
        if self._transport and not self._transport.is_closing():
            if self._direction in conditions.stalled:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            self._early.append(data)
        elif self._proxy.conditions.delay_s:
            asyncio.get_running_loop().call_later(self._proxy.conditions.delay_s, self.peer.write, data)
        else:
            self.peer.write(data)

    def write(self, data: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(data)

    def pause_writing(self) -> None:
        if self.peer and self.peer._transport:
            self.peer._transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer:
            self.peer.apply(self._proxy.conditions)

    def eof_received(self) -> bool:
        if self.peer and self.peer._transport and self.peer._transport.can_write_eof():
            self.peer._transport.write_eof()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._proxy.left(self)
        if self.peer and self._proxy.conditions.stalled:
            self.peer.is_forsaken = True
        elif self.peer:
            self.peer.abort()

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()

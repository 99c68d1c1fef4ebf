"""Raw AMQP 0-9-1 frames, for messages that clients refuse to write."""

from struct import pack

import amqp
import kombu

BASIC, PUBLISH = 60, 40
FRAME_END = b"\xce"
# The bit of each property in the flags before them.
FLAGS = {name: 0x8000 >> position for position, (name, _) in enumerate(amqp.Message.PROPERTIES)}


class Raw:
    """A connection that publishes any bytes. It closes after the broker has confirmed all messages."""

    def __init__(self, url: str) -> None:
        address = kombu.Connection(url)
        self._connection = amqp.Connection(
            f"{address.hostname}:{address.port}",
            address.userid,
            address.password,
            virtual_host=address.virtual_host,
        )
        self._connection.connect()
        self._channel = self._connection.channel()
        self._channel.confirm_select()

    def publish(self, exchange: str, routing_key: bytes, properties: bytes, body: bytes) -> None:
        """Returns after the broker's confirm. Raises the broker's error."""
        confirmed: list[int] = []
        self._channel.events["basic_ack"].add(lambda tag, _multiple: confirmed.append(tag))
        method = pack(">HHH", BASIC, PUBLISH, 0) + short(exchange.encode()) + short(routing_key) + b"\x00"
        header = pack(">HHQ", BASIC, 0, len(body)) + properties
        frames = self._frame(1, method) + self._frame(2, header) + (self._frame(3, body) if body else b"")
        self._connection.transport.write(frames)
        while not confirmed:
            self._connection.drain_events(timeout=10)

    def close(self) -> None:
        self._connection.close()

    def _frame(self, kind: int, payload: bytes) -> bytes:
        return pack(">BHI", kind, self._channel.channel_id, len(payload)) + payload + FRAME_END


def short(value: bytes) -> bytes:
    return pack("B", len(value)) + value


def long(value: bytes) -> bytes:
    return pack(">I", len(value)) + value


def properties(**values: bytes) -> bytes:
    """Return the flags and the values, each already encoded."""
    order = [name for name in FLAGS if name in values]
    flags = sum(FLAGS[name] for name in order)
    return pack(">H", flags) + b"".join(values[name] for name in order)


def table(*entries: tuple[bytes, bytes]) -> bytes:
    """Return a table. Each entry is a key and a value that begins with its type's letter."""
    return long(b"".join(short(key) + value for key, value in entries))


def nested(depth: int) -> bytes:
    """Return arrays nested ``depth`` times."""
    value = b"V"
    for _ in range(depth):
        value = b"A" + long(value)
    return value

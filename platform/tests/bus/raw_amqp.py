"""Messages as bytes: frames of AMQP 0-9-1 built by hand, where clients refuse to write them."""

from struct import pack

import amqp
import kombu

BASIC, PUBLISH = 60, 40
FRAME_END = b"\xce"
# The bit of each property in the flags before them.
FLAGS = {name: 0x8000 >> position for position, (name, _) in enumerate(amqp.Message.PROPERTIES)}


class Raw:
    """A connection on which anything can be published; the broker has taken all before it closes."""

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
        """Returns when the broker has confirmed it, and raises its error when it refuses."""
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
    """Flags and then the values, each already encoded."""
    order = [name for name in FLAGS if name in values]
    flags = sum(FLAGS[name] for name in order)
    return pack(">H", flags) + b"".join(values[name] for name in order)


def table(*entries: tuple[bytes, bytes]) -> bytes:
    """Each entry a key and a value that begins with its type's letter."""
    return long(b"".join(short(key) + value for key, value in entries))


def nested(depth: int) -> bytes:
    """An array in an array in an array..."""
    value = b"V"
    for _ in range(depth):
        value = b"A" + long(value)
    return value

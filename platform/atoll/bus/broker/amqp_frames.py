"""Frames of AMQP 0-9-1 that publish messages, as bytes.

py-amqp builds and writes the frames of one message at a time. A relay writes those of a whole batch at once.
"""

from collections.abc import Iterator
from struct import Struct

from atoll.bus.broker import envelope
from atoll.bus.broker.messages import Outgoing

METHOD, HEADER, BODY = 1, 2, 3
END = b"\xce"
BASIC, PUBLISH = 60, 40
QUEUE, BIND = 50, 20
# Type, end and length of a frame, which its size includes.
FRAME_OVERHEAD = 8

_frame = Struct(">BHI").pack
_method = Struct(">HHH").pack
_content = Struct(">HHQ").pack
_flags = Struct(">H").pack
_length = Struct(">I").pack
_timestamp = Struct(">Q").pack

# content_type, content_encoding, headers, delivery_mode; correlation_id; message_id, timestamp, type; app_id.
FLAGS = 0b1111_0100_1110_1000
USER_ID = 0b0000_0000_0001_0000
PERSISTENT = b"\x02"


def publish(channel: int, exchange: str, routing_key: str, *, mandatory: bool) -> bytes:
    """The method frame of ``basic.publish``; the frames of the content follow it."""
    arguments = short(exchange) + short(routing_key) + bytes([mandatory])
    return frame(METHOD, channel, _method(BASIC, PUBLISH, 0) + arguments)


def bind(channel: int, queue: str, exchange: str, routing_key: str) -> bytes:
    """The frame of ``queue.bind`` without an answer."""
    no_wait, no_arguments = b"\x01", _length(0)
    arguments = short(queue) + short(exchange) + short(routing_key) + no_wait + no_arguments
    return frame(METHOD, channel, _method(QUEUE, BIND, 0) + arguments)


def content(channel: int, properties: bytes, body: bytes, frame_max: int) -> Iterator[bytes]:
    """The frames of properties and body, each of at most ``frame_max`` bytes."""
    yield frame(HEADER, channel, _content(BASIC, 0, len(body)) + properties)
    step = frame_max - FRAME_OVERHEAD
    for start in range(0, len(body), step):
        yield frame(BODY, channel, body[start : start + step])


class Properties:
    """Encodes the properties of the messages of one name, as ``publisher.properties`` lists them.

    The part that all of them share is encoded once.
    """

    def __init__(self, name: str, service: str, *, user_id: str = "") -> None:
        """``user_id`` is the user of the broker's connection; without one the property is absent."""
        flags = FLAGS | USER_ID if user_id else FLAGS
        self._before = _flags(flags) + short("application/json") + short("utf-8")
        self._after = short(name) + (short(user_id) if user_id else b"") + short(service)

    def of(self, row: Outgoing) -> bytes:
        headers = field(
            "traceparent", envelope.traceparent(row.correlation_id, row.message_id, row.traceparent)
        )
        if row.key:
            headers += field("x-atoll-key", row.key) + field("x-atoll-seq", str(row.key_sequence))
        return b"".join(
            (
                self._before,
                _length(len(headers)),
                headers,
                PERSISTENT,
                short(row.correlation_id),
                short(str(row.message_id)),
                _timestamp(int(row.created_at.timestamp())),
                self._after,
            )
        )


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    return _frame(kind, channel, len(payload)) + payload + END


def short(text: str) -> bytes:
    """A short string. Raises ValueError for more than 255 bytes."""
    encoded = text.encode()
    return bytes([len(encoded)]) + encoded


def field(name: str, text: str) -> bytes:
    """An entry of a table, as a long string."""
    encoded = text.encode()
    return short(name) + b"S" + _length(len(encoded)) + encoded

"""py-amqp for consumers whose connection no message can end.

py-amqp decodes properties, headers and routing keys while it reads frames. An error there ends the
connection, and the message comes back for ever (py-amqp 5.4, ``method_framing.frame_handler``). Here
such a message is delivered like any other: with the parts that could be decoded, and a ``problem``
that says why the others could not.
"""

from collections.abc import Callable
from struct import unpack_from
from typing import Any

import amqp as untyped_amqp
from amqp import method_framing, spec
from amqp.serialization import loads
from kombu import message as untyped_message
from kombu.transport import pyamqp as untyped_pyamqp

METHOD, HEADER, BODY = 1, 2, 3
DELIVERING = {spec.Basic.Deliver, spec.Basic.Return, spec.Basic.GetOk}
# A header frame holds the class, the weight and the body's size before the properties.
BEFORE_PROPERTIES = 12
UNDECODABLE = "x-atoll-undecodable"
TEXT, TABLE, OCTET, NUMBER = "s", "F", "o", "L"

# Their stubs leave out most of them.
amqp: Any = untyped_amqp
kombu: Any = untyped_message
pyamqp: Any = untyped_pyamqp


class Content(amqp.Message):
    """A message that is being read, frame by frame."""

    problem = ""
    properties: dict[str, Any]

    def _load_properties(self, class_id: int, buf: bytes, offset: int) -> int:
        try:
            end = int(super()._load_properties(class_id, buf, offset))
            problem = "" if end <= len(buf) else "they end in the midst of a value"
            if self.properties.get("user_id", "").encode() != user_id(buf[offset:]):
                problem = "the sender can be read in two ways"
        except Exception as error:
            # Any client can choose these bytes, so that any error may come.
            problem = f"{type(error).__name__}: {error}"
        if problem:
            self.problem = f"Its properties cannot be decoded: {problem[:300]}."
            self.properties = salvage(buf[offset:])
        return len(buf)


class Frames:
    """py-amqp's ``frame_handler``, with a ``Content`` for everything that has a body."""

    def __init__(self, connection: Any, callback: Callable[..., None]) -> None:
        self._connection = connection
        self._callback = callback
        self._rest = method_framing.frame_handler(connection, callback)
        self._under_way: dict[int, Content] = {}

    def __call__(self, frame: tuple[int, int, bytes]) -> bool:
        """Whether a method or a message is complete."""
        kind, channel, payload = frame
        if kind == METHOD:
            method = unpack_from(">HH", payload)
            if method in DELIVERING:
                self._connection.bytes_recv += 1
                self._under_way[channel] = Content(frame_method=method, frame_args=payload)
                return False
        content = self._under_way.get(channel)
        if content is None or kind not in (HEADER, BODY):
            return bool(self._rest(frame))
        self._connection.bytes_recv += 1
        if kind == HEADER:
            content.inbound_header(payload)
        else:
            content.inbound_body(payload)
        if not content.ready:
            return False
        del self._under_way[channel]
        self._callback(channel, content.frame_method, content.frame_args, content)
        return True


class Message(kombu.Message):
    """A message for consumers. kombu does not decompress its body, whatever a header asks for."""

    def __init__(self, raw: Any, channel: Any = None, **options: Any) -> None:
        properties = raw.properties
        super().__init__(
            body=raw.body,
            channel=channel,
            delivery_tag=raw.delivery_tag,
            content_type=properties.get("content_type"),
            content_encoding=properties.get("content_encoding"),
            delivery_info=raw.delivery_info,
            properties=properties,
            **options,
        )
        self.headers = raw.headers or {}
        self.problem = getattr(raw, "problem", "")


class Channel(pyamqp.Channel):
    Message = Message

    def dispatch_method(self, method_sig: tuple[int, int], payload: bytes, content: Any) -> None:
        """Keep a delivery's body as bytes: py-amqp would decode it by the encoding that its sender named."""
        if method_sig == spec.Basic.Deliver and not self.is_closing:
            self._on_basic_deliver(*_delivery(payload), content)
        else:
            super().dispatch_method(method_sig, payload, content)


class Connection(pyamqp.Connection):
    Channel = Channel

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, frame_handler=Frames, **options)


class Transport(pyamqp.Transport):
    Connection = Connection


class SSLTransport(pyamqp.SSLTransport):
    Connection = Connection


def user_id(raw: bytes) -> bytes:
    """The user at the place where RabbitMQ reads and checks it: after the earlier properties, each by its
    length, without a look into a table. Empty when there is none."""
    offset = 2
    (flags,) = unpack_from(">H", raw)
    for position, (name, kind) in enumerate(amqp.Message.PROPERTIES):
        if flags & (0x8000 >> position):
            end = _end(kind, raw, offset)
            if name == "user_id":
                return raw[offset + 1 : end]
            offset = end
    return b""


def salvage(raw: bytes) -> dict[str, Any]:
    """The properties that can be decoded, and the bytes of the others in hexadecimal."""
    found: dict[str, Any] = {}
    offset = 2
    try:
        (flags,) = unpack_from(">H", raw)
        for position, (name, kind) in enumerate(amqp.Message.PROPERTIES):
            if flags & (0x8000 >> position):
                found[name], offset = _property(kind, raw, offset)
    except Exception:
        found["undecodable"] = raw[offset:].hex()
    return found


def _end(kind: str, raw: bytes, offset: int) -> int:
    if kind == OCTET:
        return offset + 1
    if kind == NUMBER:
        return offset + 8
    if kind == TABLE:
        return offset + 4 + int(unpack_from(">I", raw, offset)[0])
    return offset + 1 + raw[offset]


def _property(kind: str, raw: bytes, offset: int) -> tuple[Any, int]:
    end = _end(kind, raw, offset)
    if kind == OCTET:
        return raw[offset], end
    if kind == NUMBER:
        return unpack_from(">Q", raw, offset)[0], end
    if kind == TABLE:
        try:
            ((table,), decoded) = loads("F", raw[offset:end], 0)
            whole = decoded == end - offset
        except Exception:
            whole = False
        return (table if whole else {UNDECODABLE: raw[offset + 4 : end].hex()}), end
    part = raw[offset + 1 : end]
    try:
        return part.decode(), end
    except UnicodeDecodeError:
        return part.decode(errors="backslashreplace"), end


def _delivery(payload: bytes) -> tuple[str, int, bool, str, str]:
    """Consumer tag, delivery tag, redelivered, exchange and routing key of ``basic.deliver``."""
    consumer_tag, offset = _short(payload, 4)
    delivery_tag, bits = unpack_from(">QB", payload, offset)
    exchange, offset = _short(payload, offset + 9)
    routing_key, _ = _short(payload, offset)
    return consumer_tag, delivery_tag, bool(bits & 1), exchange, routing_key


def _short(payload: bytes, offset: int) -> tuple[str, int]:
    end = offset + 1 + payload[offset]
    return payload[offset + 1 : end].decode(errors="backslashreplace"), end

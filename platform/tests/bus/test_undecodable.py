"""Receiving survives any properties, headers and routing keys that a stranger can write."""

import json
from functools import partial
from struct import pack
from typing import Any

import kombu
import pytest
from testproject.models import Note

from atoll.backoff import Backoff
from atoll.bus import Message, on
from atoll.bus.broker import transports
from atoll.bus.broker.messages import Arrival
from atoll.bus.inbox import ingest, suspects
from atoll.bus.inbox.receiving import receive
from atoll.bus.models import Quarantine

from . import raw_amqp
from .conftest import Until
from .raw_amqp import Raw, long, nested, properties, short, table
from .receiver import receiving
from .test_ingest import Asked, notes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("handlers")]

BINARY = b"\xff\xfe\x00\xc3"
SHORT_PROPERTIES = [name for name, kind in raw_amqp.amqp.Message.PROPERTIES if kind == "s"]
# user_id must be the connection's own, and expiration a number: RabbitMQ refuses others.
BINARY_PROPERTIES = [name for name in SHORT_PROPERTIES if name not in ("user_id", "expiration", "cluster_id")]

# Headers that py-amqp cannot decode, and that RabbitMQ carries all the same.
UNDECODABLE_HEADERS = {
    "a time past the end of the calendar": table((b"at", b"T" + pack(">Q", 2**63))),
    "arrays in arrays, 9,000 deep": table((b"deep", nested(9000))),
}
# Headers that are decoded to something that JSON or PostgreSQL has no place for.
ODD_HEADERS = {
    "a key that is no UTF-8": table((BINARY, b"S" + long(b"value"))),
    "a value that is no UTF-8": table((b"odd", b"S" + long(BINARY))),
    "bytes": table((b"odd", b"x" + long(BINARY))),
    "a float": table((b"odd", b"f" + pack(">f", 0.1))),
    "a decimal of 255 places": table((b"odd", b"D" + pack(">Bi", 255, -7))),
    "a time": table((b"odd", b"T" + pack(">Q", 1))),
    "a surrogate": table((b"odd", b"S" + long(b"\xed\xa0\x80"))),
    "the letters of a NUL's escape": table((b"odd", b"S" + long(rb"a\u0000b"))),
    "arrays in arrays, 200 deep": table((b"odd", nested(200))),
    "a table in an array": table((b"odd", b"A" + long(b"F" + table((b"x", b"V"))))),
    "a compression that it does not have": table((b"compression", b"S" + long(b"application/x-gzip"))),
    "a sequence number that is true": table((b"x-atoll-key", b"S" + long(b"k")), (b"x-atoll-seq", b"t\x01")),
    "64 KiB": table((b"odd", b"S" + long(b"\xf0\x9f\x98\x80" * 16_384))),
}


def listen() -> None:
    @on("note.asked")
    def write(event: Asked, message: Message) -> None:
        Note.objects.create(text=event.text)

    @on("any.#")
    def write_any(event: Asked, message: Message) -> None:
        Note.objects.create(text=event.text)


def event(text: str) -> bytes:
    return json.dumps({"eventType": "note.asked", "data": {"text": text}}).encode()


@pytest.fixture
def raw(rabbitmq: str) -> Any:
    opened = Raw(rabbitmq)
    yield opened
    opened.close()


def depths(url: str) -> list[int]:
    names = transports.current().names
    with kombu.Connection(url) as opened:
        channel = opened.channel()
        return [
            int(queue(channel).queue_declare(passive=True).message_count)
            for queue in (names.event_queue, names.command_queue)
        ]


def test_undecodable_properties_and_headers_are_quarantined_and_the_rest_flows(
    raw: Raw, rabbitmq: str, until: Until
) -> None:
    listen()
    events = transports.current().names.events.name
    sorts = {name: properties(**{name: short(BINARY)}) for name in BINARY_PROPERTIES}
    sorts |= {sort: properties(application_headers=value) for sort, value in UNDECODABLE_HEADERS.items()}
    with receiving() as receiver:
        for number, sort in enumerate(sorts):
            raw.publish(events, b"note.asked", sorts[sort], event(f"poison {number}"))
            raw.publish(events, b"note.asked", properties(), event(f"good {number}"))
        until(lambda: Quarantine.objects.count() == len(sorts) and Note.objects.count() == len(sorts))
        assert receiver.is_undisturbed
    assert sorted(notes()) == sorted(f"good {number}" for number in range(len(sorts)))
    rows = {bytes(row.body): row for row in Quarantine.objects.all()}
    for number, (sort, written) in enumerate(sorts.items()):
        row = rows[event(f"poison {number}")]
        assert row.reason.startswith("Its properties cannot be decoded: "), sort
        assert (row.queue, row.routing_key) == (transports.current().names.event_queue.name, "note.asked")
        if sort in BINARY_PROPERTIES:
            assert row.properties == {sort: "\\xff\\xfe\\xc3"}, sort
        else:
            whole = written[6:].hex()
            told = {"x-atoll-undecodable": whole if len(whole) < 900 else "<not kept: 90039 characters>"}
            assert row.headers == told, sort
    assert depths(rabbitmq) == [0, 0]


def test_odd_headers_keep_no_readable_message_from_its_handler(raw: Raw, rabbitmq: str, until: Until) -> None:
    listen()
    events = transports.current().names.events.name
    with receiving() as receiver:
        for sort, header in ODD_HEADERS.items():
            raw.publish(events, b"note.asked", properties(application_headers=header), event(sort))
        until(lambda: Note.objects.count() == len(ODD_HEADERS))
        assert receiver.is_undisturbed
    assert sorted(notes()) == sorted(ODD_HEADERS)
    assert not Quarantine.objects.exists()


def test_odd_headers_of_what_cannot_be_read_are_kept(raw: Raw, rabbitmq: str, until: Until) -> None:
    listen()
    events = transports.current().names.events.name
    with receiving() as receiver:
        for sort, header in ODD_HEADERS.items():
            raw.publish(events, b"note.asked", properties(application_headers=header), sort.encode())
        until(lambda: Quarantine.objects.count() == len(ODD_HEADERS))
        assert receiver.is_undisturbed
    rows = {bytes(row.body).decode(): row.headers for row in Quarantine.objects.all()}
    assert rows["a value that is no UTF-8"] == {"odd": BINARY.hex()}
    assert rows["a key that is no UTF-8"] == {BINARY.hex(): "value"}
    assert rows["the letters of a NUL's escape"] == {"odd": r"a\u0000b"}
    assert rows["a time"] == {"odd": "1970-01-01 00:00:01"}
    assert rows["64 KiB"] == {"odd": "<not kept: 16395 characters>"}
    assert depths(rabbitmq) == [0, 0]


def test_a_binary_routing_key_is_no_danger(raw: Raw, rabbitmq: str, until: Until) -> None:
    listen()
    events = transports.current().names.events.name
    with receiving() as receiver:
        raw.publish(events, b"any." + BINARY, properties(), b"nonsense")
        raw.publish(events, b"any.thing", properties(), event("good").replace(b"note.asked", b"any.thing"))
        until(lambda: Quarantine.objects.exists() and notes() == ["good"])
        assert receiver.is_undisturbed
    # PostgreSQL stores no NUL.
    assert Quarantine.objects.get().routing_key == r"any.\xff\xfe\xc3"
    assert depths(rabbitmq) == [0, 0]


@pytest.mark.parametrize("encoding", ["idna", "punycode", "utf-16", "zlib", "rot13", "unicode_escape"])
def test_a_body_is_read_as_it_came_whatever_encoding_its_sender_names(
    raw: Raw, rabbitmq: str, until: Until, encoding: str
) -> None:
    listen()
    written = properties(content_encoding=short(encoding.encode()), content_type=short(b"text/x-odd"))
    with receiving() as receiver:
        raw.publish(transports.current().names.events.name, b"note.asked", written, event("straße"))
        raw.publish(transports.current().names.events.name, b"note.asked", written, BINARY)
        until(lambda: Quarantine.objects.exists() and notes() == ["straße"])
        assert receiver.is_undisturbed
    assert bytes(Quarantine.objects.get().body) == BINARY


NO_ENVELOPES: dict[str, Any] = {
    "binary": BINARY,
    "no JSON": b"{",
    "a number": b"7",
    "null": b"null",
    "a list": b"[]",
    "an empty object": b"{}",
    "properties of the wrong type": b'{"properties": []}',
    "no tag": b'{"properties": {"delivery_info": {}}}',
    "a tag of the wrong type": b'{"properties": {"delivery_info": {}, "delivery_tag": ["x"]}}',
    "a delivery_info of the wrong type": b'{"properties": {"delivery_info": 7, "delivery_tag": "t"}}',
    "headers of the wrong type": b'{"headers": "h", "properties": {"delivery_tag": "t"}}',
    "a body that is a number": b'{"body": 99999999999, "properties": {"delivery_tag": "t"}}',
    "an unknown encoding": b'{"body": "x", "properties": {"body_encoding": "rot", "delivery_tag": "t"}}',
    "an encoding that is a list": b'{"body": "x", "properties": {"body_encoding": [1], "delivery_tag": "t"}}',
    "no base64": b'{"body": "x", "properties": {"body_encoding": "base64", "delivery_tag": "t"}}',
    "a lone surrogate": b'{"body": "\\ud800", "properties": {"delivery_tag": "t"}}',
    "nested too deeply": b"[" * 100_000,
    "a number without end": b"1" * 10_000,
}


def test_what_is_no_envelope_on_the_embedded_broker_is_quarantined_and_the_rest_flows(
    valkey: str, until: Until
) -> None:
    listen()
    names = transports.current().names
    with receiving() as receiver, transports.current().connect("stranger") as opened:
        client = opened.default_channel.client
        channel = opened.channel()
        names.declare_exchanges(channel)
        producer = opened.Producer(channel, auto_declare=False)
        for number, item in enumerate(NO_ENVELOPES.values()):
            client.lpush(names.event_queue.name, item)
            producer.publish(
                event(f"good {number}"),
                exchange=names.events.name,
                routing_key="note.asked",
                headers={"compression": "application/x-gzip", "odd": float("nan")},
                content_type="application/json",
                content_encoding="binary",
            )
        until(lambda: Quarantine.objects.count() == len(NO_ENVELOPES))
        until(lambda: Note.objects.count() == len(NO_ENVELOPES))
        assert receiver.is_undisturbed
        until(lambda: not client.hlen("unacked.ingest.library-service"))
        assert client.llen(names.event_queue.name) == 0
    rows = {bytes(row.body): row for row in Quarantine.objects.all()}
    for sort, item in NO_ENVELOPES.items():
        assert rows[item].reason.startswith("It is no message of kombu's Redis transport: "), sort
        assert rows[item].queue == names.event_queue.name


def test_a_message_that_breaks_receiving_is_met_alone_and_then_put_aside_unread(
    raw: Raw, rabbitmq: str, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test breaks receiving for one message."""
    listen()
    seen: list[int] = []

    def breaking(arrivals: list[Arrival], fast_path: Any, **options: Any) -> Any:
        if any(arrival.body == b"breaks" for arrival in arrivals):
            seen.append(len(arrivals))
            raise ConnectionResetError
        return receive(arrivals, fast_path, **options)

    monkeypatch.setattr(ingest, "receive", breaking)
    monkeypatch.setattr(ingest, "Backoff", partial(Backoff, first_s=0.01))
    events = transports.current().names.events.name
    with receiving() as receiver:
        for number in range(20):
            raw.publish(events, b"note.asked", properties(), event(f"before {number}"))
        raw.publish(events, b"note.asked", properties(message_id=short(b"p-1")), b"breaks")
        for number in range(20):
            raw.publish(events, b"note.asked", properties(), event(f"after {number}"))
        until(lambda: Note.objects.count() == 40)
        row = Quarantine.objects.get()
        until(lambda: depths(rabbitmq) == [0, 0])
        assert not receiver.is_undisturbed
    assert (bytes(row.body), row.properties) == (b"breaks", {"message_id": "p-1"})
    assert row.reason == "Receiving broke whenever this message came, so it was not read."
    assert seen[-suspects.ALONE :] == [1] * suspects.ALONE


def test_no_suspicion_falls_on_messages_while_the_database_is_away(
    raw: Raw, rabbitmq: str, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    listen()
    refusals = iter(range(10))

    def away(arrivals: list[Arrival], fast_path: Any, **options: Any) -> Any:
        if arrivals and next(refusals, None) is not None:
            raise OperationalError("the server is restarting")
        return receive(arrivals, fast_path, **options)

    monkeypatch.setattr(ingest, "receive", away)
    monkeypatch.setattr(ingest, "Backoff", partial(Backoff, first_s=0.01))
    with receiving():
        raw.publish(transports.current().names.events.name, b"note.asked", properties(), event("patient"))
        until(lambda: notes() == ["patient"])
    assert next(refusals, None) is None
    assert not Quarantine.objects.exists()

"""The messages that any producer may send, and the refused ones."""

import hashlib
import json
from typing import Any

import pytest

from atoll.bus.broker.envelope import Unreadable, parse, traceparent

FULL = {
    "id": "01a2061c-124a-77a7-b531-c882d8e01a62",
    "eventType": "order.created",
    "data": {"orderId": "1"},
    "timestamp": "2026-11-23T10:00:00.000Z",
    "serviceId": "order-service",
    "correlationId": "01a2061c-1247-77af-a159-4683598e3a51",
    "version": 2,
}


def read(document: Any, properties: dict[str, Any] | None = None, **headers: Any) -> Any:
    return parse(
        json.dumps(document).encode(), properties or {}, {k.replace("_", "-"): v for k, v in headers.items()}
    )


def test_our_own_envelope_is_read_whole() -> None:
    found = read(FULL, x_atoll_key="order-1", x_atoll_seq=7)
    assert (found.kind, found.name, found.version) == ("event", "order.created", 2)
    assert found.dedupe_key == f"order-service/{FULL['id']}"
    assert found.data == {"orderId": "1"}
    assert found.sent_at.isoformat() == "2026-11-23T10:00:00+00:00"
    assert (found.correlation_id, found.key, found.key_sequence) == (FULL["correlationId"], "order-1", 7)


def test_a_sequence_number_may_be_a_number_or_text() -> None:
    assert [
        read(FULL, x_atoll_seq=given).key_sequence
        for given in (7, "1795410409807", "0", "-1", "7a", "9" * 30, True, 1.0, [7], None)
    ] == [7, 1795410409807, None, None, None, None, None, None, None, None]


def test_without_an_id_the_amqp_message_id_tells_copies_apart() -> None:
    document = {key: value for key, value in FULL.items() if key != "id"}
    assert read(document, {"message_id": "m-1"}).dedupe_key == "order-service/m-1"


def test_without_any_id_the_content_does_whatever_the_order_of_its_fields() -> None:
    document = {"eventType": "a.b", "data": {"x": 1, "y": 2}}
    turned = {"data": {"y": 2, "x": 1}, "eventType": "a.b"}
    canonical = b'{"data":{"x":1,"y":2},"eventType":"a.b"}'
    assert read(document).dedupe_key == f"sha256/{hashlib.sha256(canonical).hexdigest()}"
    assert read(turned).dedupe_key == read(document).dedupe_key
    assert read({**document, "data": {"x": 1}}).dedupe_key != read(document).dedupe_key


def test_a_number_and_the_text_of_its_digits_are_two_messages() -> None:
    number, text = ({"eventType": "a.b", "data": {"x": value}} for value in (1.5, "1.5"))
    assert read(number).dedupe_key != read(text).dedupe_key


def test_the_same_id_of_two_producers_is_two_messages() -> None:
    first = read({"id": "1", "eventType": "a.b", "serviceId": "one"})
    second = read({"id": "1", "eventType": "a.b", "serviceId": "two"})
    assert first.dedupe_key != second.dedupe_key


def test_amqp_properties_stand_in_for_absent_fields() -> None:
    found = read({"command": "reserve.stock"}, {"app_id": "legacy", "correlation_id": "abcdefgh-1"})
    assert (found.kind, found.name, found.version) == ("command", "reserve.stock", 1)
    assert (found.service_id, found.correlation_id) == ("legacy", "abcdefgh-1")


def test_a_malformed_correlation_id_is_replaced() -> None:
    assert read({**FULL, "correlationId": "no spaces allowed"}).correlation_id != "no spaces allowed"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b'{"eventType": "a.b"',
        b"[]",
        b'"text"',
        b"{}",
        b'{"eventType": 7}',
        b'{"eventType": ""}',
        b'{"eventType": "' + b"a" * 256 + b'"}',
        b'{"eventType": "a.b", "command": "c"}',
        b'{"eventType": "a.b", "data": []}',
        b'{"eventType": "a.b", "version": "2"}',
        b'{"eventType": "a.b", "version": 0}',
        b'{"eventType": "a.b", "id": {}}',
        b'{"eventType": "a.b", "id": "' + b"x" * 256 + b'"}',
        b'{"eventType": "a.b", "serviceId": "' + b"x" * 256 + b'"}',
        b'{"eventType": "a.b", "data": {"x": "\\u0000"}}',
        b'{"eventType": "a.b", "data": {"x": "\\ud800"}}',
        b'{"eventType": "a.b", "data": {"x": NaN}}',
        b'{"eventType": "a.b", "data": {"x": ' + b"[" * 100 + b"]" * 100 + b"}}",
        b'{"eventType": "a.b", "data": {"x": "' + b"x" * 1_048_576 + b'"}}',
    ],
)
def test_what_is_no_envelope_is_refused(body: bytes) -> None:
    with pytest.raises(Unreadable):
        parse(body, {}, {})


def test_the_trace_is_the_correlation_id_and_the_span_the_message() -> None:
    assert traceparent(FULL["correlationId"], FULL["id"]) == (
        "00-01a2061c124777afa1594683598e3a51-b531c882d8e01a62-01"
    )
    assert len(traceparent("customer-support-42", FULL["id"])) == 55
